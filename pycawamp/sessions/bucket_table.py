"""Token buckets, or quotas made of them, for a bounded number of keys."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Refilling(Protocol):
    """A token bucket, or a quota made of them."""

    @property
    def is_full(self) -> bool:
        """Whether it is in its initial state, so that it can be dropped."""


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Refilling)


class BucketTable(Generic[K, V]):
    """Creates a bucket for each key, and keeps at most `max_size` of them.

    To make room, full buckets are dropped, which has no effect; if there are none, the oldest.
    """

    def __init__(self, make: Callable[[], V], max_size: int) -> None:
        self._make = make
        self._max_size = max_size
        self._buckets: dict[K, V] = {}

    def of(self, key: K) -> V:
        """Return the bucket of a key."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._make_room()
            bucket = self._buckets[key] = self._make()
        return bucket

    def _make_room(self) -> None:
        if len(self._buckets) < self._max_size:
            return
        full = [key for key, bucket in self._buckets.items() if bucket.is_full]
        for key in full or [next(iter(self._buckets))]:
            del self._buckets[key]
