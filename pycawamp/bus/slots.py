"""Which ingest owns a PV: rendezvous hashing over a fixed number of slots, without an election."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

SLOTS = 4096
"""More than enough for an even distribution among tens of ingests."""

_Weights = npt.NDArray[np.uint64]


class ShardKey:
    """The part of a name that determines its slot.

    `pattern` is a regular expression. The part is its first group, or without groups the whole
    match; for a name that does not match, it is the whole name. Raises ValueError if the pattern is
    invalid.
    """

    def __init__(self, pattern: str = "") -> None:
        self._pattern: Any = None
        if pattern:
            try:
                options = re2.Options()
                options.log_errors = False
                self._pattern = re2.compile(pattern, options)
            except re2.error as error:
                raise ValueError(f"not a regular expression: {_text(error)}") from None

    def slot(self, name: str) -> int:
        """Return the slot of a PV name."""
        match = self._pattern.search(name) if self._pattern is not None else None
        part = name if match is None else match[1 if self._pattern.groups else 0] or name
        return slot(part)


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode() if isinstance(reason, bytes) else str(reason)


def slot(key: str) -> int:
    """Return the slot of a key, the same in every process."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "little") % SLOTS


def owners(ingests: Sequence[str]) -> list[str | None]:
    """Return the owner of each slot: of all ingests, the one with the largest weight there.

    When an ingest is added or removed, only its own slots change.
    """
    if not ingests:
        return [None] * SLOTS
    names = sorted(ingests)
    weights = np.stack([_weights(name) for name in names])
    return [names[index] for index in weights.argmax(axis=0)]


def _weights(ingest: str) -> _Weights:
    seed = int.from_bytes(blake2b(ingest.encode(), digest_size=8).digest(), "little")
    mixed = np.arange(SLOTS, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    # The finalizer of splitmix64: each bit of the input changes half of the output's.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
