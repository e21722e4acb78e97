"""One ingest, as an edge sees it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.bus import subjects
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Ask, Beat, Control, GetRequest, PutRequest, StreamStatus, result
from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.messages import (
    Burst,
    RecordKind,
    Scalar,
    as_metadata,
    as_reading,
    scalars,
    sections,
)
from pycawamp.bus.requests import (
    NATSRequests,
    NobodyThereError,
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
from pycawamp.pv.intake import Intake
from pycawamp.pv.interfaces import Requester
from pycawamp.pv.routes import Route
from pycawamp.pv.values import Metadata, Reading

ASK_SECONDS = 0.1
"""Between two questions, so that of a PV at 10 Hz one value is lost when an ingest dies."""
MOST_SILENT = 30
"""Questions without an answer, after which an ingest is taken for dead."""
AT_ONCE = 1000
"""PVs that are asked for in one iteration of the reactor."""
IN_A_MESSAGE = 100
"""PVs that are asked for in one message."""
_LIMITS = 2
"""The version from which on rates are told."""


class LinkedChannel(Protocol):
    """One PV of an edge."""

    name: str
    number: int
    owner: Link | None
    rate: float | None
    """The most updates per second that are wanted; None: all."""
    route: Route | None
    """The way of its owner's updates that need no Python, if there is one."""

    def opened(self, link: Link) -> None:
        """Handle that its state, and then updates, will follow."""

    def metadata(self, link: Link, metadata: Metadata) -> None:
        """Handle metadata."""

    def connection(self, link: Link, connected: bool) -> None:
        """Handle that the PV has connected or disconnected."""

    def refused(self, link: Link, reason: str) -> None:
        """Handle that the IOC refuses to send the value."""

    def overloaded(self, link: Link) -> None:
        """Handle that the ingest has no memory for the values."""

    def reading(self, reading: Reading) -> None:
        """Handle an update of its owner."""

    def next_reading(self, link: Link, reading: Reading) -> None:
        """Handle an update of another ingest than its owner."""

    def restarted(self, link: Link) -> None:
        """Handle that its state will be told anew, if the ingest knows it."""


@attrs.frozen
class Self:
    """What an edge's links have in common."""

    client: NATSClient
    requests: NATSRequests
    name: str
    session: str
    next_epoch: Callable[[], int]
    soon: Callable[[Callable[[], None]], object]
    intake: Intake | None
    """Sends updates without Python, where it is there."""
    lost: Callable[[Link, bool], None]
    """Called with a link whose ingest is gone, and whether it was silent for long."""


class Link:
    """The stream from one run of an ingest, and what is asked of it.

    The ingest's bursts have numbers. If one is missing, the stream is started anew: the state of
    all PVs is told again.
    """

    _log = Logger()

    def __init__(self, edge: Self, ingest: str, beat: Beat) -> None:
        self._edge = edge
        self.ingest = ingest
        self.run = beat.run
        self.is_leaving = beat.is_leaving
        self.is_lost = False
        assert beat.version is not None
        self._version: int = beat.version
        self.epoch = 0
        self._arrived = 0
        self._handled = 0
        self._number = 0
        self._silent = 0
        self._open: dict[int, LinkedChannel] = {}
        self._channels: dict[int, LinkedChannel] = {}
        # Those of some of the channels; a route that is closed sends nothing.
        self._routes: dict[int, Route] = {}
        self._wanted: deque[tuple[Ask, LinkedChannel]] = deque()
        self._is_sending = False

    # What to ask for

    def start(self) -> None:
        """Ask for a new stream, with all PVs that are open."""
        self.epoch = self._edge.next_epoch()
        self._arrived = self._handled = self._number = 0
        self._channels.clear()
        self._routes.clear()
        self._wanted.clear()
        self._control(Ask.START)
        for channel in self._open.values():
            self._want(Ask.OPEN, channel)

    def open(self, channel: LinkedChannel) -> None:
        """Ask for a PV."""
        self._open[channel.number] = channel
        self._want(Ask.OPEN, channel)

    def limit(self, channel: LinkedChannel) -> None:
        """Ask for another rate of a PV."""
        if channel.number in self._open and self._version >= _LIMITS and not self.is_lost:
            self._want(Ask.LIMIT, channel)

    def close(self, channel: LinkedChannel) -> None:
        """Ask for a PV no more."""
        if self._open.pop(channel.number, None) is not None and not self.is_lost:
            self._want(Ask.CLOSE, channel)

    def leave(self) -> None:
        """Ask for nothing any more: the edge stops."""
        self._control(Ask.LEAVE)

    @property
    def open_channels(self) -> list[LinkedChannel]:
        """The PVs that are asked for."""
        return list(self._open.values())

    def tick(self) -> None:
        """Ask whether the ingest is there and the stream is whole; ten times a second.

        Questions are counted, not seconds: while this process did not run, it could hear nothing.
        """
        self._silent += 1
        if self._silent > MOST_SILENT:
            self._lose(is_silent=True)
        elif self._edge.client.is_open:
            self.ask_status()

    def ask_status(self) -> None:
        """Ask whether the ingest is there and the stream is whole."""
        epoch = self.epoch
        asked = self._packed(Ask.STATUS, self._handled)
        asking = self._edge.requests.ask(self._control_subject, asked)
        asking.addCallback(self._told, epoch)
        asking.addErrback(self._not_told)

    # Requests

    def get(self, name: str) -> Deferred[Reading]:
        """Ask the ingest to read a PV."""
        subject = subjects.get(self.ingest, self._edge.name)
        asking = self._edge.requests.ask(
            subject, GetRequest(self.run, name, self._version).packed()
        )
        asking.addErrback(_explain, "no ingest serves it now", None)
        return asking.addCallback(result).addCallback(as_reading).addErrback(_no_reply)

    def put(self, name: str, value: Any, wait: bool, by: Requester) -> Deferred[None]:
        """Ask the ingest to write a PV, once."""
        try:
            packed = PutRequest(self.run, name, value, wait, by, self._version).packed()
        except ValueError as error:
            raise BadValueError(f"the value cannot be sent: {error}") from None
        if len(packed) > self._edge.client.max_payload:
            raise BadValueError(f"a value of {len(packed)} bytes is more than the bus lets through")
        subject = subjects.put(self.ingest, self._edge.name)
        asking = self._edge.requests.ask(subject, packed, self._forget)
        asking.addErrback(
            _explain,
            "no ingest serves it now; nothing was written",
            "the ingest was lost; it may have been written",
        )
        return asking.addCallback(result).addErrback(_no_reply).addCallback(lambda _: None)

    def _forget(self, reply: str) -> None:
        self._control(Ask.FORGET, reply)

    # What comes

    def arrived(self, header: Burst) -> bool:
        """Return whether a burst that has arrived is the next one, and is to be handled."""
        if header.epoch != self.epoch:
            return False
        if header.number != self._arrived + 1:
            self._restart(f"burst {header.number} came after {self._arrived}")
            return False
        self._arrived = header.number
        return True

    def handle(self, header: Burst, message: bytes) -> int:
        """Handle a burst; return how many updates it had."""
        if header.epoch != self.epoch:
            return 0
        self._handled = header.number
        updates = 0
        intake, routes = self._edge.intake, self._routes
        for place, record in sections(message):
            if place is None:
                updates += self._take_other(*record)
            elif intake is None:
                updates += self._take_scalars(scalars(message, place))
            else:
                span = place.start, place.stop
                updates += intake.send_scalars(message, *span, routes, self._take_scalar)
        return updates

    def _take_scalar(self, pid: int, *fields: Any) -> bool:
        """Handle an update that had no route; the next one has, if there is one now."""
        was_update = self._take_scalars([(pid, *fields)]) > 0
        channel = self._channels.get(pid)
        route = channel.route if channel is not None and channel.owner is self else None
        if route is not None:
            self._routes[pid] = route
        else:
            self._routes.pop(pid, None)
        return was_update

    def _take_scalars(self, found: Iterable[Scalar]) -> int:
        updates = 0
        find = self._channels.get
        for pid, severity, status, is_whole, seconds, nanoseconds, value in found:
            channel = find(pid)
            if channel is None:
                continue
            updates += 1
            number = int(value) if is_whole else value
            reading = Reading(status, severity, seconds, nanoseconds, number)
            if channel.owner is self:
                channel.reading(reading)
            else:
                channel.next_reading(self, reading)
        return updates

    def _take_other(self, pid: int, kind: int, content: Any) -> bool:
        """Handle another record; return whether it was an update."""
        if kind == RecordKind.OPENED:
            opened = self._open.get(content)
            if opened is not None:
                self._channels[pid] = opened
                opened.opened(self)
            return False
        channel = self._channels.get(pid)
        if channel is None:
            return False
        match kind:
            case RecordKind.READING if channel.owner is self:
                channel.reading(as_reading(content))
            case RecordKind.READING:
                channel.next_reading(self, as_reading(content))
            case RecordKind.METADATA:
                channel.metadata(self, as_metadata(content))
            case RecordKind.CONNECTION:
                channel.connection(self, bool(content))
            case RecordKind.REFUSED:
                channel.refused(self, str(content))
            case RecordKind.OVERLOADED:
                channel.overloaded(self)
        return kind == RecordKind.READING

    def _told(self, reply: bytes, epoch: int) -> None:
        status = StreamStatus.of(reply)
        if self.is_lost:
            return
        if status.run != self.run:
            # It was started again, so quickly that somebody was always there.
            self._lose(is_silent=False)
            return
        self._silent = 0
        if epoch == self.epoch and not (status.is_whole and status.number == self._arrived):
            self._restart(f"the ingest has sent burst {status.number}, {self._arrived} has come")

    def _not_told(self, failure: Failure) -> None:
        if failure.check(NobodyThereError) and self._edge.client.is_open and not self.is_lost:
            self._lose(is_silent=False)
        elif not failure.check(NobodyThereError, ReplyLostError):
            self._log.failure("The ingest {ingest} cannot be asked", failure, ingest=self.ingest)

    def _restart(self, why: str) -> None:
        self._log.info("Starting the stream of {ingest} anew: {why}", ingest=self.ingest, why=why)
        self.start()
        for channel in self.open_channels:
            channel.restarted(self)

    def _lose(self, is_silent: bool) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._edge.lost(self, is_silent)

    # How it is sent

    @property
    def _control_subject(self) -> str:
        return subjects.control(self.ingest, self._edge.name)

    def _packed(self, ask: Ask, content: Any = None) -> bytes:
        control = Control(self._edge.session, self.epoch, self._number, ask, content, self._version)
        return control.packed()

    def _control(self, ask: Ask, content: Any = None) -> None:
        self._edge.client.publish(self._control_subject, self._packed(ask, content))

    def _want(self, ask: Ask, channel: LinkedChannel) -> None:
        self._wanted.append((ask, channel))
        if not self._is_sending:
            self._is_sending = True
            self._edge.soon(self._send_wanted)

    def _send_wanted(self) -> None:
        self._is_sending = False
        left = AT_ONCE
        while self._wanted and left > 0 and not self.is_lost:
            ask = self._wanted[0][0]
            contents: list[Any] = []
            while self._wanted and self._wanted[0][0] is ask and len(contents) < IN_A_MESSAGE:
                contents.append(self._content(*self._wanted.popleft()))
            self._number += 1
            self._control(ask, contents)
            left -= len(contents)
        if self._wanted and not self.is_lost:
            self._is_sending = True
            self._edge.soon(self._send_wanted)

    def _content(self, ask: Ask, channel: LinkedChannel) -> Any:
        """Return what is said of a PV, as it is now."""
        match ask:
            case Ask.OPEN if self._version >= _LIMITS:
                return [channel.number, channel.name, channel.rate]
            case Ask.OPEN:
                return [channel.number, channel.name]
            case Ask.LIMIT:
                return [channel.name, channel.rate]
        return channel.name


def _explain(failure: Failure, nobody: str, lost: str | None) -> None:
    """Raise, for the outcome of a request, the error that says what became of it."""
    if failure.check(NobodyThereError):
        raise NotConnectedError(nobody)
    if failure.check(PermissionsViolationError):
        raise AccessError("the bus does not let this gateway do that")
    if failure.check(ReplyLostError):
        raise NotConnectedError("the ingest was lost") if lost is None else PutFailedError(lost)
    failure.raiseException()


def _no_reply(failure: Failure) -> Failure:
    if failure.check(BadBusMessageError):
        raise RefusedError(f"the ingest answered what is no answer: {failure.getErrorMessage()}")
    return failure


def all_of(links: Iterable[Link]) -> list[str]:
    """Return the names of the ingests that PVs may be asked of: those that stay, if there are."""
    links = list(links)
    staying = [link.ingest for link in links if not link.is_leaving]
    return staying or [link.ingest for link in links]
