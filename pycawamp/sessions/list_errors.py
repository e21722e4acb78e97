"""The errors in a list of names."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.python.failure import Failure

from pycawamp.sessions.outgoing import FAILED, Outgoing
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import PVsRequest

MAX_ERRORS = 100
"""Number of errors in a list that are reported individually."""


class ListErrors:
    """Reports the first errors in a list individually, then the number of the others."""

    def __init__(self, outgoing: Outgoing, request: PVsRequest) -> None:
        self._outgoing = outgoing
        self._request = request
        self._number = 0
        self._has_failed = False
        self._first_untold: BadMessageError | None = None

    def add(self, sent: Any, mistake: BadMessageError) -> None:
        """Report an error of one of the names."""
        pvname = mistake.pvname
        if pvname is None and isinstance(sent, str):
            pvname = sent
        mistake = attrs.evolve(
            mistake, action=self._request.action, pvname=pvname, id=self._request.id
        )
        self._number += 1
        if self._number <= MAX_ERRORS:
            self._outgoing.refuse(mistake)
        elif self._first_untold is None:
            self._first_untold = mistake

    def add_failure(self, sent: Any, failure: Failure) -> None:
        """Report an internal error; the first of the list is logged."""
        if not self._has_failed:
            self._outgoing.log_failure(failure)
        self._has_failed = True
        self.add(sent, FAILED)

    def end(self) -> None:
        """Report how many errors were not reported."""
        first = self._first_untold
        if first is not None:
            text = (
                f"{self._number - MAX_ERRORS} more errors in the list; the first: {first.message}"
            )
            self._outgoing.refuse(attrs.evolve(first, message=text, pvname=None))
