"""What is left when nothing refers to it any more: nothing, after a collection."""

from __future__ import annotations

import gc


def collect() -> None:
    """Free all garbage: a collection leaves what a coroutine's `finally` kept for once."""
    while gc.collect():
        pass
