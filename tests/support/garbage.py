"""Objects that only the garbage collector would free."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CoroutineType, GeneratorType

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


def collect() -> None:
    """Free all garbage: one collection leaves objects that a coroutine's `finally` has kept."""
    while gc.collect():
        pass


@contextmanager
def left_to_the_collector() -> Iterator[Counter[str]]:
    """Run a block with the collector off; afterwards, the counter has the objects in cycles.

    It counts objects of the gateway, Deferreds, failures, coroutines and generators, by type.
    """
    left: Counter[str] = Counter()
    collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left.update(_name(type(each)) for each in gc.garbage if _is_of_interest(each))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_of_interest(found: object) -> bool:
    kind = type(found)
    if isinstance(found, Deferred | Failure | CoroutineType | GeneratorType):
        return True
    return kind.__module__.startswith("pycawamp.")


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
