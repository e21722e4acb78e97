"""One ingest, as an edge sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import attrs
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.bus import subjects
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Action, Heartbeat, StreamStatus
from pycawamp.bus.control_sender import ControlSender, RequestedPV
from pycawamp.bus.ingest_requests import IngestRequests
from pycawamp.bus.messages import (
    Burst,
    RecordKind,
    Scalar,
    as_metadata,
    as_reading,
    scalars,
    sections,
)
from pycawamp.bus.requests import NATSRequests, NoRespondersError, ReplyLostError
from pycawamp.pv.intake import Intake
from pycawamp.pv.routes import Route
from pycawamp.pv.values import Metadata, Reading

STATUS_SECONDS = 0.1
"""Seconds between two status requests: a PV at 10 Hz loses one value when an ingest dies."""
MAX_SILENT = 30
"""Status requests without a reply, after which an ingest is considered lost."""


class LinkedChannel(RequestedPV, Protocol):
    """One PV of an edge."""

    owner: Link | None
    route: Route | None
    """Handles its owner's updates without Python, if there is one."""

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
        """Handle that its state will be sent again, if the ingest has it."""


@attrs.frozen
class LinkContext:
    """The parts that an edge's links share."""

    client: NATSClient
    requests: NATSRequests
    name: str
    session: str
    next_epoch: Callable[[], int]
    soon: Callable[[Callable[[], None]], object]
    intake: Intake | None
    """Sends updates without Python, if the compiled part is used."""
    lost: Callable[[Link, bool], None]
    """Called with a link whose ingest is lost, and whether it had not replied for some time."""


class Link:
    """The stream from one run of an ingest, and the PVs that are requested of it.

    The ingest's bursts have numbers. If one is missing, the stream is started again: the state of
    all PVs is sent again.
    """

    _log = Logger()

    def __init__(self, context: LinkContext, ingest: str, heartbeat: Heartbeat) -> None:
        version = heartbeat.version
        assert version is not None
        self._context = context
        self.ingest = ingest
        self.run = heartbeat.run
        self.is_leaving = heartbeat.is_leaving
        self.is_lost = False
        self._controls = ControlSender(
            context.client,
            subjects.control(ingest, context.name),
            context.session,
            version,
            context.soon,
        )
        self.requests = IngestRequests(
            context.requests,
            context.name,
            ingest,
            self.run,
            version,
            partial(self._controls.send, Action.FORGET),
        )
        """Gets and puts."""
        self._arrived = 0
        self._handled = 0
        self._silent = 0
        self._open: dict[int, LinkedChannel] = {}
        self._channels: dict[int, LinkedChannel] = {}
        # The routes of some of the channels; a closed route sends nothing.
        self._routes: dict[int, Route] = {}

    # Requests

    def start(self) -> None:
        """Request a new stream, with all PVs that are open."""
        self._arrived = self._handled = 0
        self._channels.clear()
        self._routes.clear()
        self._controls.start(self._context.next_epoch())
        for channel in self._open.values():
            self._controls.open(channel)

    def open(self, channel: LinkedChannel) -> None:
        """Request a PV."""
        self._open[channel.number] = channel
        self._controls.open(channel)

    def limit(self, channel: LinkedChannel) -> None:
        """Request another rate of a PV."""
        if channel.number in self._open:
            self._controls.limit(channel)

    def close(self, channel: LinkedChannel) -> None:
        """Close a PV."""
        if self._open.pop(channel.number, None) is not None:
            self._controls.release(channel)

    def leave(self) -> None:
        """Report to the ingest that the edge stops."""
        self._controls.send(Action.LEAVE)

    @property
    def epoch(self) -> int:
        """The number of the current stream."""
        return self._controls.epoch

    @property
    def open_channels(self) -> list[LinkedChannel]:
        """The PVs that are requested."""
        return list(self._open.values())

    def tick(self) -> None:
        """Check that the ingest is alive and the stream complete; called ten times a second.

        Requests are counted, not seconds: this process may have been suspended.
        """
        self._silent += 1
        if self._silent > MAX_SILENT:
            self._lose(is_silent=True)
        elif self._context.client.is_open:
            self.request_status()

    def request_status(self) -> None:
        """Check that the ingest is alive and the stream complete."""
        payload = self._controls.packed(Action.STATUS, self._handled)
        replied = self._context.requests.request(self._controls.subject, payload)
        replied.addCallback(self._status_received, self.epoch)
        replied.addErrback(self._status_failed)

    # Bursts

    def arrived(self, header: Burst) -> bool:
        """Record that a burst has arrived; return whether it is to be handled."""
        if header.epoch != self.epoch:
            return False
        if header.number != self._arrived + 1:
            self._restart(f"received burst {header.number} after {self._arrived}")
            return False
        self._arrived = header.number
        return True

    def handle(self, header: Burst, message: bytes) -> int:
        """Handle a burst; return how many updates it had."""
        if header.epoch != self.epoch:
            return 0
        self._handled = header.number
        updates = 0
        intake, routes = self._context.intake, self._routes
        for place, record in sections(message):
            if place is None:
                updates += self._handle_other(*record)
            elif intake is None:
                updates += self._handle_scalars(scalars(message, place))
            else:
                span = place.start, place.stop
                updates += intake.send_scalars(message, *span, routes, self._handle_scalar)
        return updates

    def _handle_scalar(self, pid: int, *fields: Any) -> bool:
        """Handle an update that had no route; the next one uses a route if there is one now."""
        was_update = self._handle_scalars([(pid, *fields)]) > 0
        channel = self._channels.get(pid)
        route = channel.route if channel is not None and channel.owner is self else None
        if route is not None:
            self._routes[pid] = route
        else:
            self._routes.pop(pid, None)
        return was_update

    def _handle_scalars(self, found: Iterable[Scalar]) -> int:
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

    def _handle_other(self, pid: int, kind: int, content: Any) -> bool:
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

    # Status

    def _status_received(self, reply: bytes, epoch: int) -> None:
        status = StreamStatus.of(reply)
        if self.is_lost:
            return
        if status.run != self.run:
            # It was restarted so quickly that there was always a responder.
            self._lose(is_silent=False)
            return
        self._silent = 0
        if epoch == self.epoch and not (status.is_whole and status.number == self._arrived):
            self._restart(f"the ingest has sent burst {status.number}, received {self._arrived}")

    def _status_failed(self, failure: Failure) -> None:
        if failure.check(NoRespondersError) and self._context.client.is_open and not self.is_lost:
            self._lose(is_silent=False)
        elif not failure.check(NoRespondersError, ReplyLostError):
            self._log.failure(
                "Cannot check the stream of the ingest {ingest}", failure, ingest=self.ingest
            )

    def _restart(self, why: str) -> None:
        self._log.info("Restarting the stream of {ingest}: {why}", ingest=self.ingest, why=why)
        self.start()
        for channel in self.open_channels:
            channel.restarted(self)

    def _lose(self, is_silent: bool) -> None:
        if not self.is_lost:
            self.is_lost = True
            self._controls.close()
            self._context.lost(self, is_silent)


def ingests_of(links: Iterable[Link]) -> list[str]:
    """Return the names of the ingests that own PVs: of those that stay, if there are any."""
    links = list(links)
    staying = [link.ingest for link in links if not link.is_leaving]
    return staying or [link.ingest for link in links]
