"""How long things may take: on a slow or busy machine longer, by an environment variable.

PYCASERVER_TEST_TIME_FACTOR is how many times slower the machine is than two idle cores of today.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("PYCASERVER_TEST_TIME_FACTOR", "1"))


def allowed(seconds: float) -> float:
    """Return the seconds that something may take here that may take `seconds` on two idle cores."""
    return FACTOR * seconds


TIMEOUT = allowed(20.0)
"""Seconds for which anything is waited for, unless a test says otherwise."""
