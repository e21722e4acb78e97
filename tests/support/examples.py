"""The number of examples in random tests (Hypothesis), with a factor from the environment.

PYCASERVER_TEST_EXAMPLES is the factor; set it to 10 when you change what such a test checks.
Tests that use it do not fail because a busy machine takes long for an example.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "tests", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")

FACTOR = float(os.environ.get("PYCASERVER_TEST_EXAMPLES", "1"))


def examples(number: int) -> int:
    """Return the number of examples to try, given the default number."""
    return max(1, round(FACTOR * number))
