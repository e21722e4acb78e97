"""The edge: a source of PVs that are received over the bus."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import count
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import CooperativeTask, Cooperator, LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.bus import subjects
from pycawamp.bus.channel import Channel, number_routes
from pycawamp.bus.client import ClientSettings, NATSClient
from pycawamp.bus.control import Heartbeat
from pycawamp.bus.link import STATUS_SECONDS, Link, LinkContext, ingests_of
from pycawamp.bus.messages import Burst, burst
from pycawamp.bus.protocol import Message
from pycawamp.bus.requests import NATSRequests
from pycawamp.bus.slots import SLOTS, ShardKey, owners
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink

DISCOVERY_SECONDS = 0.3
"""Seconds in which ingests may send a heartbeat before the first PVs are requested."""
STATE_TIMEOUT = 3.0
"""Seconds for which a PV whose ingest was lost counts as connected, until another serves it."""
SHORT_STATE_TIMEOUT = 1.5
"""The same, if the ingest had been silent for three seconds before."""
OVERLAP_SECONDS = 2.0
"""Seconds for which the old owner serves a PV beside the new one, if that does not catch up."""


Expectation: TypeAlias = "tuple[Channel, object | None]"


def _give_up(each: Expectation) -> None:
    channel, expectation = each
    channel.give_up(expectation)


class Edge:
    """All PVs received over the bus. `scheme` returns the backend for a scheme of names."""

    _log = Logger()

    def __init__(self, reactor: Any, settings: ClientSettings, shard_key: ShardKey) -> None:
        self._reactor = reactor
        self._inbox: Inbox | None = None
        self._name = settings.name
        self._session = secrets.token_hex(8)
        self._shard_key = shard_key
        self._client = NATSClient(reactor, settings)
        epochs = count(1)
        self._context = LinkContext(
            client=self._client,
            requests=NATSRequests(self._client, subjects.replies(self._name, self._session)),
            name=self._name,
            session=self._session,
            next_epoch=lambda: next(epochs),
            soon=lambda function: reactor.callLater(0, function),
            intake=None,
            lost=self._ingest_lost,
        )
        self._links: dict[str, Link] = {}
        self._runs: dict[int, Link] = {}
        self._incompatible: set[str] = set()
        self._channels: dict[Channel, None] = {}
        self._number_routes = number_routes(None)
        self._numbers = count(1)
        self._owners: list[str | None] = [None] * SLOTS
        self._discovery: IDelayedCall | None = None
        self._has_discovered = False
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = reactor
        self._cooperator = Cooperator(scheduler=lambda work: reactor.callLater(0, work))
        self._moving: CooperativeTask[Any] | None = None
        self._state_timeouts: DelayLine[Expectation] = DelayLine(reactor, STATE_TIMEOUT, _give_up)
        self._short_state_timeouts: DelayLine[Expectation] = DelayLine(
            reactor, SHORT_STATE_TIMEOUT, _give_up
        )
        self._was_silent = False
        self._overlaps: DelayLine[tuple[Channel, Link]] = DelayLine(
            reactor, OVERLAP_SECONDS, lambda each: each[0].end_overlap(each[1])
        )
        self._users = 0
        self.losses = 0
        """Number of times that an ingest was lost."""
        self._client.subscribe(self.data_subject, self._burst_received)
        self._client.subscribe(subjects.HEARTBEATS, self._heartbeat_received)
        self._client.on_open.append(self._discover)

    def use(self, inbox: Inbox) -> None:
        """Queue bursts in an inbox, and use its intake if it has one; before `start`."""
        self._inbox = inbox
        self._context = attrs.evolve(self._context, intake=inbox.intake)
        self._number_routes = number_routes(inbox.intake)

    def scheme(self, scheme: str) -> IBackend:
        """Return the backend of a scheme."""
        backend: IBackend = SchemeBackend(self, scheme)
        return backend

    @property
    def data_subject(self) -> str:
        """The subject of its bursts."""
        return subjects.data(self._name, self._session)

    @property
    def problem(self) -> str | None:
        """Why there are no PVs; None if there is no reason."""
        if not self._client.is_open:
            return "there is no connection to the bus"
        return None if self._links else "there is no ingest"

    @property
    def shares(self) -> dict[str, int]:
        """The number of PVs requested of each ingest, by its name."""
        return {name: len(link.open_channels) for name, link in self._links.items()}

    def start(self) -> None:
        """Connect to the bus; once for each backend."""
        self._users += 1
        if self._users == 1:
            self._ticks.start(STATUS_SECONDS, now=False)
            self._client.startService()

    def stop(self) -> Deferred[None]:
        """Disconnect, with the last of the backends; fires when the connection is closed."""
        self._users -= 1
        if self._users:
            return succeed(None)
        for link in list(self._links.values()):
            link.leave()
        if self._ticks.running:
            self._ticks.stop()
        if self._discovery is not None and self._discovery.active():
            self._discovery.cancel()
        self._cooperator.stop()

        # At the end: messages that arrive in between may add to them.
        def clear(_: object) -> None:
            for each in (self._state_timeouts, self._short_state_timeouts, self._overlaps):
                each.clear()

        return self._client.stopService().addCallback(clear)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a PV, by its name with its scheme."""
        slot = self._shard_key.slot(name.partition("://")[2])
        number, routes = next(self._numbers), self._number_routes
        channel = Channel(name, number, slot, sink, self, self._closed, routes)
        self._channels[channel] = None
        channel.move_to(self._target(channel))
        return channel

    # Timeouts of channels

    def expect_state(self, channel: Channel) -> None:
        """Call `give_up` of a channel after the timeout."""
        timeouts = self._short_state_timeouts if self._was_silent else self._state_timeouts
        timeouts.put((channel, channel.expectation))

    def expect_overlap(self, channel: Channel, link: Link) -> None:
        """Call `end_overlap` of a channel after the timeout."""
        self._overlaps.put((channel, link))

    def _closed(self, channel: Channel) -> None:
        self._channels.pop(channel, None)

    # Discovery of ingests

    def _discover(self) -> None:
        self._client.publish(subjects.DISCOVER)
        for link in list(self._links.values()):
            link.request_status()
        if not self._has_discovered:
            self._has_discovered = True
            self._discovery = self._reactor.callLater(DISCOVERY_SECONDS, self._distribute)

    def _heartbeat_received(self, message: Message) -> None:
        ingest = subjects.last(message.subject)
        heartbeat = Heartbeat.of(message.payload)
        link = self._links.get(ingest)
        if link is None:
            self._add_ingest(ingest, heartbeat)
        elif link.run == heartbeat.run and link.is_leaving != heartbeat.is_leaving:
            link.is_leaving = heartbeat.is_leaving
            self._distribute()

    def _add_ingest(self, ingest: str, heartbeat: Heartbeat) -> None:
        if heartbeat.version is None:
            if ingest not in self._incompatible:
                self._incompatible.add(ingest)
                self._log.error(
                    "The ingest {ingest} only supports versions {versions} of the messages",
                    ingest=ingest,
                    versions=", ".join(map(str, heartbeat.versions)),
                )
            return
        if heartbeat.is_leaving:
            return
        self._incompatible.discard(ingest)
        self._log.info("Found the ingest {ingest}", ingest=ingest)
        link = self._links[ingest] = self._runs[heartbeat.run] = Link(
            self._context, ingest, heartbeat
        )
        link.start()
        self._distribute()

    def _ingest_lost(self, link: Link, is_silent: bool) -> None:
        if link.is_leaving:
            self._log.info("The ingest {ingest} has left", ingest=link.ingest)
        else:
            self.losses += 1
            how = "does not respond" if is_silent else "has disconnected"
            self._log.warn("The ingest {ingest} {how}", ingest=link.ingest, how=how)
        self._links.pop(link.ingest, None)
        self._runs.pop(link.run, None)
        self._context.requests.ingest_lost(link.ingest)
        self._assign_slots()
        self._was_silent = is_silent
        for channel in link.open_channels:
            assert isinstance(channel, Channel)
            was_owner = channel.owner is link
            channel.ingest_lost(link)
            if channel.owner is None:
                channel.move_to(self._target(channel))
            if was_owner and channel.owner is None:
                channel.expect()
                if is_silent:
                    channel.give_up(channel.expectation)
        self._was_silent = False
        self._distribute()

    def _tick(self) -> None:
        for link in list(self._links.values()):
            link.tick()

    # Owners of PVs

    def _target(self, channel: Channel) -> Link | None:
        owner = self._owners[channel.slot]
        return self._links.get(owner) if owner is not None else None

    def _assign_slots(self) -> None:
        self._owners = owners(ingests_of(self._links.values()))

    def _distribute(self) -> None:
        """Move each PV to its owner, in slices."""
        if not self._has_discovered or (self._discovery is not None and self._discovery.active()):
            return
        self._assign_slots()
        if self._moving is not None:
            self._moving.stop()
        self._moving = self._cooperator.cooperate(self._move_all())

    def _move_all(self) -> Iterator[None]:
        for channel in list(self._channels):
            if channel in self._channels:
                channel.move_to(self._target(channel))
            yield
        self._moving = None

    # Bursts

    def _burst_received(self, message: Message) -> None:
        """Queue a burst: messages to clients are collected until the end of a slice."""
        header = burst(message.payload)
        link = self._runs.get(header.run)
        if link is not None and link.arrived(header):
            assert self._inbox is not None
            self._inbox.post(self._handle, (link, header, message.payload), len(message.payload))

    def _handle(self, queued: tuple[Link, Burst, bytes]) -> None:
        assert self._inbox is not None
        link, header, message = queued
        # The inbox counts each call as one.
        self._inbox.count(link.handle(header, message) - 1)


@implementer(IBackend)
@attrs.frozen(eq=False)
class SchemeBackend:
    """PVs of one scheme that are received over the bus."""

    _edge: Edge
    _scheme: str

    def start(self) -> None:
        """Connect to the bus."""
        self._edge.start()

    def stop(self) -> Deferred[None]:
        """Disconnect from the bus."""
        return self._edge.stop()

    def open(self, name: str, sink: ISink) -> IHandle:
        """Request a PV for as long as the handle is open."""
        return self._edge.open(f"{self._scheme}://{name}", sink)
