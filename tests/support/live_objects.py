"""Counts of existing objects."""

from __future__ import annotations

import gc
from collections import Counter

from tests.support.garbage import collect


def fanout_objects() -> Counter[str]:
    """Return the number of objects of pycawamp.fanout in this process, by class."""
    collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__name__ for kind in kinds if str(kind.__module__).startswith("pycawamp.fanout.")
    )
