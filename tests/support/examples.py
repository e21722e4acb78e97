"""How many examples random tests (Hypothesis) try: more, by an environment variable.

PYCASERVER_TEST_EXAMPLES is a factor; 10 is for who changes what such a test is about.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("PYCASERVER_TEST_EXAMPLES", "1"))


def examples(number: int) -> int:
    """Return how many examples to try where `number` are tried each time the suite runs."""
    return max(1, round(FACTOR * number))
