"""The requests of an edge to one ingest, as control messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Action, Control

NAMES_PER_STEP = 1000
"""PVs that are requested in one reactor iteration."""
NAMES_PER_MESSAGE = 100
"""PVs that are requested in one message."""
_RATES = 2
"""The first version with rates."""


class RequestedPV(Protocol):
    """A PV that an edge requests."""

    name: str
    number: int
    rate: float | None
    """Maximum updates per second; None: all."""


class ControlSender:
    """Sends control messages; changes of what is open are numbered, collected, and sent in slices.

    Args:
        client: The connection to the bus.
        subject: Where the ingest receives them.
        session: The run of the edge.
        version: The format of messages.
        soon: Calls a function in the next reactor iteration.
    """

    def __init__(
        self,
        client: NATSClient,
        subject: str,
        session: str,
        version: int,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self._client = client
        self.subject = subject
        self._session = session
        self._version = version
        self._soon = soon
        self.epoch = 0
        """The current stream."""
        self._number = 0
        self._changes: deque[tuple[Action, RequestedPV]] = deque()
        self._is_scheduled = False
        self._is_closed = False

    def start(self, epoch: int) -> None:
        """Request a new stream, in which nothing is open."""
        self.epoch = epoch
        self._number = 0
        self._changes.clear()
        self.send(Action.START)

    def open(self, pv: RequestedPV) -> None:
        """Request a PV."""
        self._add(Action.OPEN, pv)

    def limit(self, pv: RequestedPV) -> None:
        """Request another rate of a PV, if the version has rates."""
        if self._version >= _RATES:
            self._add(Action.LIMIT, pv)

    def release(self, pv: RequestedPV) -> None:
        """Request that a PV is closed."""
        self._add(Action.CLOSE, pv)

    def close(self) -> None:
        """Send no further changes."""
        self._is_closed = True
        self._changes.clear()

    def send(self, action: Action, content: Any = None) -> None:
        """Send a message now."""
        self._client.publish(self.subject, self.packed(action, content))

    def packed(self, action: Action, content: Any = None) -> bytes:
        """Return a message as bytes."""
        number, version = self._number, self._version
        return Control(self._session, self.epoch, number, action, content, version).packed()

    def _add(self, action: Action, pv: RequestedPV) -> None:
        if not self._is_closed:
            self._changes.append((action, pv))
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._soon(self._send_changes)

    def _send_changes(self) -> None:
        self._is_scheduled = False
        left = NAMES_PER_STEP
        while self._changes and left > 0:
            action = self._changes[0][0]
            contents: list[Any] = []
            while (
                self._changes
                and self._changes[0][0] is action
                and len(contents) < NAMES_PER_MESSAGE
            ):
                contents.append(self._content(*self._changes.popleft()))
            self._number += 1
            self.send(action, contents)
            left -= len(contents)
        if self._changes:
            self._schedule()

    def _content(self, action: Action, pv: RequestedPV) -> Any:
        """Return the content of a message about a PV, in its current state."""
        match action:
            case Action.OPEN if self._version >= _RATES:
                return [pv.number, pv.name, pv.rate]
            case Action.OPEN:
                return [pv.number, pv.name]
            case Action.LIMIT:
                return [pv.name, pv.rate]
        return pv.name
