"""Gets and puts that an edge sends to an ingest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from pycawamp.bus import subjects
from pycawamp.bus.control import GetRequest, PutRequest, result
from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.messages import as_reading
from pycawamp.bus.requests import (
    NATSRequests,
    NoRespondersError,
    PermissionsViolationError,
    ReplyLostError,
)
from pycawamp.pv.errors import (
    AccessError,
    BadValueError,
    NotConnectedError,
    PutFailedError,
    RefusedError,
)
from pycawamp.pv.interfaces import Requester
from pycawamp.pv.values import Reading


@attrs.frozen
class IngestRequests:
    """Gets and puts of an edge at one run of an ingest."""

    _requests: NATSRequests
    _edge: str
    _ingest: str
    _run: int
    _version: int
    _cancelled: Callable[[str], None]
    """Called with the reply subject of a put that is no longer awaited."""

    def get(self, name: str) -> Deferred[Reading]:
        """Request the value of a PV.

        Returns:
            A Deferred of the reading. It fails with NotConnectedError, AccessError, or an error of
            the ingest.
        """
        subject = subjects.get(self._ingest, self._edge)
        payload = GetRequest(self._run, name, self._version).packed()
        replied = self._requests.request(subject, payload)
        replied.addErrback(_explain, "no ingest serves it now", None)
        return replied.addCallback(result).addCallback(as_reading).addErrback(_check_reply)

    def put(self, name: str, value: Any, wait: bool, by: Requester) -> Deferred[None]:
        """Request a write of a PV, once.

        Returns:
            A Deferred that fires when the ingest has replied. It fails with NotConnectedError,
            AccessError, PutFailedError, or an error of the ingest.

        Raises:
            BadValueError: The value cannot be sent over the bus.
        """
        try:
            payload = PutRequest(self._run, name, value, wait, by, self._version).packed()
        except ValueError as error:
            raise BadValueError(f"the value cannot be sent: {error}") from None
        if len(payload) > self._requests.max_payload:
            raise BadValueError(
                f"a value of {len(payload)} bytes is more than the bus lets through"
            )
        subject = subjects.put(self._ingest, self._edge)
        replied = self._requests.request(subject, payload, self._cancelled)
        replied.addErrback(
            _explain,
            "no ingest serves it now; nothing was written",
            "the ingest was lost; it may have been written",
        )
        return replied.addCallback(result).addErrback(_check_reply).addCallback(lambda _: None)


def _explain(failure: Failure, no_responders: str, lost: str | None) -> None:
    """Raise the error of the PV for a request that failed on the bus."""
    if failure.check(NoRespondersError):
        raise NotConnectedError(no_responders)
    if failure.check(PermissionsViolationError):
        raise AccessError("the bus does not let this gateway do that")
    if failure.check(ReplyLostError):
        raise NotConnectedError("the ingest was lost") if lost is None else PutFailedError(lost)
    failure.raiseException()


def _check_reply(failure: Failure) -> Failure:
    if failure.check(BadBusMessageError):
        raise RefusedError(f"the ingest sent an invalid reply: {failure.getErrorMessage()}")
    return failure
