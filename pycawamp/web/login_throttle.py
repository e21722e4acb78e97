"""Throttling of failed logins."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from pycawamp.access.hosts import network_key
from pycawamp.sessions.token_bucket import TokenBucket

AT_ONCE = 10
"""Failures that an address has after a rest."""
EVERY = 6.0
"""Seconds until it has one more."""
MOST_ADDRESSES = 10_000


class LoginThrottle:
    """Limits failed logins per address, or per /64 of IPv6."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def attempt(self, host: str) -> bool:
        """Return whether an address may try to log in; counts as a failure until `succeeded`."""
        return self._bucket(host).take()

    def succeeded(self, host: str) -> None:
        """Do not count the last attempt as a failure."""
        self._bucket(host).give_back()

    def _bucket(self, host: str) -> TokenBucket:
        place = network_key(host)
        bucket = self._buckets.get(place)
        if bucket is None:
            self._reserve_channel()
            bucket = self._buckets[place] = TokenBucket(self._clock, 1 / EVERY, AT_ONCE)
        return bucket

    def _reserve_channel(self) -> None:
        if len(self._buckets) < MOST_ADDRESSES:
            return
        rested = [place for place, bucket in self._buckets.items() if bucket.is_full]
        # If all of them have failures, the oldest is dropped.
        for place in rested or [next(iter(self._buckets))]:
            del self._buckets[place]
