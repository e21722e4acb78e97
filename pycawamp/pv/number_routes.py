"""Routes of numbers whose updates the compiled part composes."""

from __future__ import annotations

from collections.abc import Callable

from pycawamp.pv.intake import Intake
from pycawamp.pv.routes import Planner, Route
from pycawamp.pv.values import Reading


class NumberRoutes:
    """Makes the routes of subscriptions with one type of numbers.

    Args:
        intake: The compiled queue.
        code: The type of the numbers, as in struct.
    """

    def __init__(self, intake: Intake, code: str) -> None:
        self.form = intake.form(code)
        self._intake = intake
        fields, make = self.form.fields, Reading._make
        self.decode: Callable[[bytes], Reading] = lambda raw: make(fields(raw))
        """Returns the Reading for an update's bytes."""

    def route(self, planner: Planner) -> Route:
        """Return the route of a subscription."""
        return self._intake.route(self.form.type, planner, self.decode)
