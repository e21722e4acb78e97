"""The edge: a source of PVs that come over the bus."""

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
from pycawamp.bus.channel import Channel
from pycawamp.bus.client import ClientSettings, NATSClient
from pycawamp.bus.control import Beat
from pycawamp.bus.link import ASK_SECONDS, Link, Self, all_of
from pycawamp.bus.messages import Burst, burst
from pycawamp.bus.protocol import Message
from pycawamp.bus.requests import NATSRequests
from pycawamp.bus.slots import SLOTS, ShardKey, owners
from pycawamp.pv.delay import DelayLine
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink

ROLL_CALL = 0.3
"""Seconds in which ingests can say that they are there, before PVs are asked for."""
PATIENCE = 3.0
"""Seconds for which a PV whose ingest has died counts as connected, until another one serves it."""
LEFT_PATIENCE = 1.5
"""The same, if the ingest had been silent for three seconds before."""
OVERLAP = 2.0
"""Seconds for which the old owner serves a PV beside the new one, if they do not get level."""


Expectation: TypeAlias = "tuple[Channel, object | None]"


def _give_up(each: Expectation) -> None:
    channel, expectation = each
    channel.give_up(expectation)


class Edge:
    """All PVs that come over the bus. `scheme` returns the backend for a scheme of names."""

    _log = Logger()

    def __init__(self, reactor: Any, settings: ClientSettings, shard_key: ShardKey) -> None:
        self._reactor = reactor
        self._inbox: Inbox | None = None
        self._name = settings.name
        self._session = secrets.token_hex(8)
        self._shard_key = shard_key
        self._client = NATSClient(reactor, settings)
        epochs = count(1)
        self._self = Self(
            client=self._client,
            requests=NATSRequests(self._client, subjects.replies(self._name, self._session)),
            name=self._name,
            session=self._session,
            next_epoch=lambda: next(epochs),
            soon=lambda function: reactor.callLater(0, function),
            intake=None,
            lost=self._lost,
        )
        self._links: dict[str, Link] = {}
        self._runs: dict[int, Link] = {}
        self._incompatible: set[str] = set()
        self._channels: dict[Channel, None] = {}
        self._numbers = count(1)
        self._owners: list[str | None] = [None] * SLOTS
        self._roll_call: IDelayedCall | None = None
        self._has_called = False
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = reactor
        self._cooperator = Cooperator(scheduler=lambda work: reactor.callLater(0, work))
        self._moving: CooperativeTask[Any] | None = None
        self._patience: DelayLine[Expectation] = DelayLine(reactor, PATIENCE, _give_up)
        self._left_patience: DelayLine[Expectation] = DelayLine(reactor, LEFT_PATIENCE, _give_up)
        self._is_late = False
        self._overlaps: DelayLine[tuple[Channel, Link]] = DelayLine(
            reactor, OVERLAP, lambda each: each[0].end_overlap(each[1])
        )
        self._users = 0
        self.losses = 0
        """How often an ingest was lost."""
        self._client.subscribe(self.data_subject, self._take)
        self._client.subscribe(subjects.BEATS, self._heard_beat)
        self._client.on_open.append(self._call_roll)

    def use(self, inbox: Inbox) -> None:
        """Queue bursts there, and send updates without Python if its intake can; before `start`."""
        self._inbox = inbox
        self._self = attrs.evolve(self._self, intake=inbox.intake)

    def scheme(self, scheme: str) -> IBackend:
        """Return the backend of a scheme."""
        backend: IBackend = SchemeBackend(self, scheme)
        return backend

    @property
    def data_subject(self) -> str:
        """Where ingests publish for it."""
        return subjects.data(self._name, self._session)

    @property
    def problem(self) -> str | None:
        """Why PVs cannot come; None if they can."""
        if not self._client.is_open:
            return "there is no connection to the bus"
        return None if self._links else "there is no ingest"

    @property
    def shares(self) -> dict[str, int]:
        """How many PVs are asked of each ingest that is there, by its name."""
        return {name: len(link.open_channels) for name, link in self._links.items()}

    def start(self) -> None:
        """Connect to the bus; once for each backend."""
        self._users += 1
        if self._users == 1:
            self._ticks.start(ASK_SECONDS, now=False)
            self._client.startService()

    def stop(self) -> Deferred[None]:
        """Leave the bus, with the last of the backends; fires when it has been left."""
        self._users -= 1
        if self._users:
            return succeed(None)
        for link in list(self._links.values()):
            link.leave()
        if self._ticks.running:
            self._ticks.stop()
        if self._roll_call is not None and self._roll_call.active():
            self._roll_call.cancel()
        self._cooperator.stop()

        # Afterwards: messages that arrive meanwhile may add to them.
        def clear(_: object) -> None:
            for waiting in (self._patience, self._left_patience, self._overlaps):
                waiting.clear()

        return self._client.stopService().addCallback(clear)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a PV, by its name with its scheme."""
        slot = self._shard_key.slot(name.partition("://")[2])
        number, intake = next(self._numbers), self._self.intake
        channel = Channel(name, number, slot, sink, self, self._closed, intake)
        self._channels[channel] = None
        channel.go_to(self._target(channel))
        return channel

    # What channels wait for

    def expect_state(self, channel: Channel) -> None:
        """Call a channel when its time to wait is over."""
        waits = self._left_patience if self._is_late else self._patience
        waits.put((channel, channel.expectation))

    def expect_overlap(self, channel: Channel) -> None:
        """Call a channel when it is time to change its owner."""
        assert channel.next is not None
        self._overlaps.put((channel, channel.next))

    def _closed(self, channel: Channel) -> None:
        self._channels.pop(channel, None)

    # Who is there

    def _call_roll(self) -> None:
        self._client.publish(subjects.ROLL_CALL)
        for link in list(self._links.values()):
            link.ask_status()
        if not self._has_called:
            self._has_called = True
            self._roll_call = self._reactor.callLater(ROLL_CALL, self._distribute)

    def _heard_beat(self, message: Message) -> None:
        ingest = subjects.last(message.subject)
        beat = Beat.of(message.payload)
        link = self._links.get(ingest)
        if link is None:
            self._join(ingest, beat)
        elif link.run == beat.run and link.is_leaving != beat.is_leaving:
            link.is_leaving = beat.is_leaving
            self._distribute()

    def _join(self, ingest: str, beat: Beat) -> None:
        if beat.version is None:
            if ingest not in self._incompatible:
                self._incompatible.add(ingest)
                self._log.error(
                    "The ingest {ingest} speaks versions {versions} of the bus's messages only",
                    ingest=ingest,
                    versions=", ".join(map(str, beat.versions)),
                )
            return
        if beat.is_leaving:
            return
        self._incompatible.discard(ingest)
        self._log.info("The ingest {ingest} is there", ingest=ingest)
        link = self._links[ingest] = self._runs[beat.run] = Link(self._self, ingest, beat)
        link.start()
        self._distribute()

    def _lost(self, link: Link, is_silent: bool) -> None:
        if link.is_leaving:
            self._log.info("The ingest {ingest} has left", ingest=link.ingest)
        else:
            self.losses += 1
            how = "does not answer" if is_silent else "is gone"
            self._log.warn("The ingest {ingest} {how}", ingest=link.ingest, how=how)
        self._links.pop(link.ingest, None)
        self._runs.pop(link.run, None)
        self._self.requests.lose(link.ingest)
        self._count_owners()
        self._is_late = is_silent
        for channel in link.open_channels:
            assert isinstance(channel, Channel)
            was_owner = channel.owner is link
            channel.lose(link)
            if channel.owner is None:
                channel.go_to(self._target(channel))
            if was_owner and channel.owner is None:
                channel.expect()
                if is_silent:
                    channel.give_up(channel.expectation)
        self._is_late = False
        self._distribute()

    def _tick(self) -> None:
        for link in list(self._links.values()):
            link.tick()

    # Whose PVs are whose

    def _target(self, channel: Channel) -> Link | None:
        owner = self._owners[channel.slot]
        return self._links.get(owner) if owner is not None else None

    def _count_owners(self) -> None:
        self._owners = owners(all_of(self._links.values()))

    def _distribute(self) -> None:
        """Ask for each PV where it belongs now, in slices."""
        if not self._has_called or (self._roll_call is not None and self._roll_call.active()):
            return
        self._count_owners()
        if self._moving is not None:
            self._moving.stop()
        self._moving = self._cooperator.cooperate(self._move_all())

    def _move_all(self) -> Iterator[None]:
        for channel in list(self._channels):
            if channel in self._channels:
                channel.go_to(self._target(channel))
            yield
        self._moving = None

    # What comes

    def _take(self, message: Message) -> None:
        """Queue a burst: what is sent to clients is collected until the end of a slice."""
        header = burst(message.payload)
        link = self._runs.get(header.run)
        if link is not None and link.arrived(header):
            assert self._inbox is not None
            self._inbox.post(self._handle, (link, header, message.payload), len(message.payload))

    def _handle(self, news: tuple[Link, Burst, bytes]) -> None:
        assert self._inbox is not None
        link, header, message = news
        # The inbox counts each call as one.
        self._inbox.count(link.handle(header, message) - 1)


@implementer(IBackend)
@attrs.frozen(eq=False)
class SchemeBackend:
    """PVs of one scheme that come over the bus."""

    _edge: Edge
    _scheme: str

    def start(self) -> None:
        """Connect to the bus."""
        self._edge.start()

    def stop(self) -> Deferred[None]:
        """Leave the bus."""
        return self._edge.stop()

    def open(self, name: str, sink: ISink) -> IHandle:
        """Ask for a PV for as long as the handle is open."""
        return self._edge.open(f"{self._scheme}://{name}", sink)
