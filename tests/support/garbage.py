"""What only the garbage collector would free."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CoroutineType, GeneratorType

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


@contextmanager
def left_to_the_collector() -> Iterator[Counter[str]]:
    """Run a block with the collector off; the counter has, after it, what it left in cycles.

    That is: objects of the gateway, Deferreds, failures, coroutines and generators, by type.
    """
    left: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left.update(type(each).__name__ for each in gc.garbage if _is_of_interest(each))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _is_of_interest(found: object) -> bool:
    kind = type(found)
    if isinstance(found, Deferred | Failure | CoroutineType | GeneratorType):
        return True
    return kind.__module__.startswith("pycawamp.")
