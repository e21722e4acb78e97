"""The handle of a PV that does not exist."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from pycawamp.pv.errors import NotConnectedError
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.values import Reading


@implementer(IHandle)
@attrs.frozen(eq=False)
class NoPV:
    """A handle of a PV that does not exist."""

    reason: str

    def close(self) -> None:
        """Do nothing."""

    def get(self) -> Deferred[Reading]:
        """Fail with NotConnectedError."""
        return fail(NotConnectedError(self.reason))

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Fail with NotConnectedError."""
        return fail(NotConnectedError(self.reason))
