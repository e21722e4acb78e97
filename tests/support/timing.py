"""Time limits, with a factor from the environment for slow or busy machines.

PYCASERVER_TEST_TIME_FACTOR is the factor compared with two idle cores.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("PYCASERVER_TEST_TIME_FACTOR", "1"))


def allowed(seconds: float) -> float:
    """Return the time limit here for something that may take `seconds` on two idle cores."""
    return FACTOR * seconds


TIMEOUT = allowed(20.0)
"""Default timeout in seconds."""
