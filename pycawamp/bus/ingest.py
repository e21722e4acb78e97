"""The ingest: brings PVs of a hub onto the bus, and requests of edges to the hub."""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Cooperator, LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.bus import subjects
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import (
    Ask,
    Beat,
    Control,
    GetRequest,
    PutRequest,
    StreamStatus,
    answer,
    failure,
)
from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.protocol import Message
from pycawamp.bus.requests import Requests
from pycawamp.bus.sources import Sources
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.errors import (
    AccessError,
    BadValueError,
    NotConnectedError,
    OverloadedError,
    PVError,
)
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.router import UnknownSchemeError
from pycawamp.pv.values import Reading

BEAT_SECONDS = 0.5
MOST_SILENT = 10
"""Beats within which an edge has to say something, or it is taken for dead."""
NAMESAKE_SECONDS = 2.0
"""How long another ingest of the same name has time to answer: one that does not has hung."""
TELL_SECONDS = 60.0
"""Between two lines of the log about an edge that does not keep up."""
MOST_PUTS = 10_000
"""Puts that have not finished."""
LEAVE_SECONDS = 10.0
"""How long edges may take to go to another ingest when this one stops."""


class PutRules(Protocol):
    """Whether edges' puts are executed."""

    def refusal(self, request: PutRequest) -> str | None:
        """Return why a put is refused; None if it is not."""

    def log(self, edge: str, request: PutRequest, outcome: str) -> None:
        """Log a put and what became of it."""


@attrs.define(eq=False)
class Edge:
    """One run of an edge."""

    name: str
    stream: EdgeStream
    open: dict[str, None] = attrs.Factory(dict)
    """The PVs that it has open, by the names of their channels."""
    number: int = 0
    """Of the last message of the epoch that changed what is open."""
    is_whole: bool = False
    """Whether all messages of the epoch have come."""
    silent: int = 0
    """Beats since it has said something."""
    work: deque[Control] = attrs.Factory(deque)
    waiting: int = 0
    """Names in `work`."""
    is_working: bool = False
    told_conflated: int = 0
    """Updates of which the log has told that they were replaced by newer ones."""
    told_at: float = -math.inf


class Ingest(Service):
    """Serves edges while it runs. The hub and the client are services beside it.

    `channel_name` returns the name by which the hub knows a channel, of one with its scheme; it
    raises UnknownSchemeError. `conflict` is called when another ingest has the same name.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts)
        self,
        reactor: Any,
        client: NATSClient,
        hub: PVHub,
        *,
        name: str,
        channel_name: Callable[[str], str],
        rules: PutRules,
        max_channels: int,
        conflict: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._name = name
        self._channel_name = channel_name
        self._rules = rules
        self._max_channels = max_channels
        self._conflict = conflict
        self._beat = Beat(secrets.randbits(63), time.time(), is_leaving=False)
        self.sources = Sources(hub, lambda flush: reactor.callLater(0, flush))
        self._edges: dict[tuple[str, str], Edge] = {}
        self._puts: dict[tuple[str, str], Deferred[None]] = {}
        self._others: dict[str, float] = {}
        self._beats = LoopingCall(self._tick)
        self._beats.clock = reactor
        self._left: Deferred[None] | None = None
        self._cooperator = Cooperator(scheduler=lambda work: reactor.callLater(0, work))
        self._requests = Requests(client, subjects.replies(name, f"{self._beat.run:x}"))
        self._is_serving = False
        client.on_open.append(self._opened)
        client.on_writable.append(self._send_owed)

    def startService(self) -> None:
        """Begin to say that it is there."""
        super().startService()  # type: ignore[no-untyped-call]
        self._beats.start(BEAT_SECONDS)

    def leave(self) -> Deferred[None]:
        """Ask the edges to go to another ingest; fires when they have, or have had the time."""
        self._beat = attrs.evolve(self._beat, is_leaving=True)
        self._send_beat()
        now = self._reactor.seconds()
        others = [name for name, at in self._others.items() if now - at < 4 * BEAT_SECONDS]
        if not others or not self._edges:
            return succeed(None)
        self._log.info("Edges are going to {others}", others=", ".join(sorted(others)))
        self._left = Deferred()
        self._check_left()
        return self._left.addTimeout(LEAVE_SECONDS, self._reactor, lambda *_: None)

    def stopService(self) -> None:
        """Serve nobody any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._beats.running:
            self._beats.stop()
        for key in list(self._edges):
            self._drop(key)
        for put in list(self._puts.values()):
            put.cancel()
        self._cooperator.stop()

    # What it says

    def _opened(self) -> None:
        """Serve, unless another ingest of this name answers."""
        if self._is_serving:
            self._send_beat()
            return
        asking = self._requests.ask(subjects.namesake(self._name), b"")
        asking.addTimeout(NAMESAKE_SECONDS, self._reactor)
        asking.addCallbacks(lambda _: self._conflict(), lambda _: self._serve())

    def _serve(self) -> None:
        if self._is_serving or not self.running or not self._client.is_open:
            return
        self._is_serving = True
        for subject, handler in (
            (subjects.namesake(self._name), self._tell_namesake),
            (subjects.control(self._name, "*"), self._controlled),
            (subjects.get(self._name, "*"), self._get),
            (subjects.put(self._name, "*"), self._put),
            (subjects.ROLL_CALL, lambda _: self._send_beat()),
            (subjects.BEATS, self._heard_beat),
        ):
            self._client.subscribe(subject, handler)
        self._log.info("The ingest {ingest} is ready", ingest=self._name)
        self._send_beat()

    def _tell_namesake(self, message: Message) -> None:
        self._client.publish(message.reply, b"")

    def _tick(self) -> None:
        self._send_beat()
        for key, edge in list(self._edges.items()):
            self._tell_conflated(edge)
            edge.silent += 1
            if edge.silent > MOST_SILENT:
                self._log.warn("The edge {edge} is gone without a word", edge=edge.name)
                self._drop(key)

    def _tell_conflated(self, edge: Edge) -> None:
        """Log that an edge does not keep up, at most once a minute."""
        now, conflated = self._reactor.seconds(), edge.stream.conflated
        if conflated > edge.told_conflated and now >= edge.told_at + TELL_SECONDS:
            self._log.warn(
                "The edge {edge} does not keep up: {count} updates were replaced by newer ones",
                edge=edge.name,
                count=conflated - edge.told_conflated,
            )
            edge.told_conflated, edge.told_at = conflated, now

    def _send_beat(self) -> None:
        if self.running and self._is_serving:
            self._client.publish(subjects.beat(self._name), self._beat.packed())

    def _heard_beat(self, message: Message) -> None:
        name = subjects.last(message.subject)
        beat = Beat.of(message.payload)
        if name != self._name:
            if beat.is_leaving:
                self._others.pop(name, None)
            else:
                self._others[name] = self._reactor.seconds()
        elif (beat.started, beat.run) < (self._beat.started, self._beat.run):
            self._conflict()
        else:
            # The other one is to hear it.
            self._send_beat()

    def _send_owed(self) -> None:
        for edge in self._edges.values():
            edge.stream.send_owed()

    # What edges ask for

    def _controlled(self, message: Message) -> None:
        asked = Control.of(message.payload)
        key = subjects.last(message.subject), asked.session
        edge = self._edges.get(key)
        if edge is not None:
            edge.silent = 0
        if asked.ask is Ask.FORGET:
            self._forget(key[0], asked.content)
        elif asked.ask is Ask.STATUS:
            self._tell_status(edge, asked, message.reply)
        elif asked.ask is Ask.START:
            self._start(key, asked)
        elif asked.ask is Ask.LEAVE:
            if edge is not None:
                self._log.info("The edge {edge} has left", edge=edge.name)
                self._drop(key)
        elif edge is not None and edge.stream.epoch == asked.epoch:
            self._change(key, edge, asked)

    def _tell_status(self, edge: Edge | None, asked: Control, reply: str) -> None:
        if edge is None or edge.stream.epoch != asked.epoch:
            status = StreamStatus(self._beat.run, 0, is_whole=False)
        else:
            edge.stream.handled(int(asked.content))
            is_whole = edge.is_whole and edge.number == asked.number
            status = StreamStatus(self._beat.run, edge.stream.number, is_whole)
        self._client.publish(reply, status.packed())

    def _start(self, key: tuple[str, str], asked: Control) -> None:
        edge = self._edges.get(key)
        if edge is None:
            subject = subjects.data(*key)
            stream = EdgeStream(self._reactor, self._client, self._beat.run, subject)
            edge = self._edges[key] = Edge(key[0], stream)
            self._log.info("The edge {edge} has come", edge=edge.name)
        else:
            self._close_all(edge)
        edge.stream.start(asked.epoch)
        edge.number, edge.is_whole = 0, True

    def _change(self, key: tuple[str, str], edge: Edge, asked: Control) -> None:
        if asked.number != edge.number + 1 or not isinstance(asked.content, list):
            edge.is_whole = False
            return
        edge.number += 1
        edge.work.append(asked)
        edge.waiting += len(asked.content)
        if edge.waiting > 2 * self._max_channels:
            self._log.warn("The edge {edge} asks for more than there may be", edge=edge.name)
            self._drop(key)
        elif not edge.is_working:
            edge.is_working = True
            self._cooperator.cooperate(self._work(edge))

    def _work(self, edge: Edge) -> Iterator[None]:
        """Open and close what an edge asked for, a PV at each step."""
        while edge.work:
            asked = edge.work.popleft()
            for each in asked.content:
                edge.waiting -= 1
                # After a new start it counts no more.
                if asked.epoch == edge.stream.epoch:
                    self._open_or_close(edge, asked.ask, each)
                yield
        edge.is_working = False
        self._check_left()

    def _open_or_close(self, edge: Edge, ask: Ask, content: Any) -> None:
        try:
            if ask is Ask.OPEN:
                number, name = content
                self._open(edge, int(number), str(name))
            else:
                self._close(edge, str(content))
        except Exception:
            self._log.failure("What the edge {edge} asks for cannot be done", edge=edge.name)

    def _open(self, edge: Edge, number: int, name: str) -> None:
        try:
            channel = self._channel_name(name)
        except UnknownSchemeError as error:
            self.sources.refuse(edge.stream, number, str(error))
            return
        if channel not in self.sources and len(self.sources) >= self._max_channels:
            text = f"there are {self._max_channels} channels, as many as may be"
            self.sources.refuse(edge.stream, number, text)
            return
        edge.open[channel] = None
        self.sources.open(channel, edge.stream, number)

    def _close(self, edge: Edge, name: str) -> None:
        channel = self._channel_name(name)
        if edge.open.pop(channel, 0) is None:
            self.sources.close(channel, edge.stream)

    def _close_all(self, edge: Edge) -> None:
        for name in edge.open:
            self.sources.close(name, edge.stream)
        edge.open.clear()
        edge.work.clear()
        edge.waiting = 0

    def _drop(self, key: tuple[str, str]) -> None:
        self._close_all(self._edges.pop(key))
        self._check_left()

    def _check_left(self) -> None:
        """See whether an ingest that leaves is still needed."""
        left = self._left
        if left is None or left.called:
            return
        if not any(edge.open or edge.work for edge in self._edges.values()) and not self._puts:
            left.callback(None)

    # Gets and puts

    def _get(self, message: Message) -> None:
        request = GetRequest.of(message.payload)
        try:
            asking = self._handle(request.run, request.name).get()
        except PVError as error:
            self._client.publish(message.reply, failure(error))
            return

        def told(reading: Reading) -> None:
            self._answer(message.reply, answer(tuple(reading)))

        asking.addCallback(told).addErrback(self._fail, message.reply)

    def _put(self, message: Message) -> None:
        edge = subjects.last(message.subject)
        try:
            request = PutRequest.of(message.payload)
        except BadBusMessageError as error:
            self._log.warn("A put of {edge} cannot be read: {error}", edge=edge, error=error)
            refusal = BadValueError("the ingest cannot read the value; nothing was written")
            self._client.publish(message.reply, failure(refusal))
            return
        key = edge, message.reply
        try:
            putting = self._begin_put(request)
        except PVError as error:
            self._rules.log(edge, request, f"{error.code}: {error}")
            self._client.publish(message.reply, failure(error))
            return
        self._puts[key] = putting
        # It may be large, and is not needed any more but for the log.
        kept = attrs.evolve(request, value=_shown(request.value))
        del request

        def done(_: None) -> None:
            self._rules.log(edge, kept, "ok" if kept.wait else "sent")
            self._answer(message.reply, answer(None))

        def failed(reason: Failure) -> None:
            error = reason.value
            code = getattr(error, "code", "internal")
            given_up = isinstance(error, CancelledError)
            self._rules.log(edge, kept, "the edge gave up" if given_up else f"{code}: {error}")
            if not given_up:
                self._fail(reason, message.reply)

        def ended(_: object) -> None:
            self._puts.pop(key, None)
            self._check_left()

        putting.addCallbacks(done, failed).addBoth(ended)

    def _begin_put(self, request: PutRequest) -> Deferred[None]:
        refusal = self._rules.refusal(request)
        if refusal is not None:
            raise AccessError(refusal)
        if len(self._puts) >= MOST_PUTS:
            raise OverloadedError("too many puts of all edges have not finished")
        return self._handle(request.run, request.name).put(request.value, request.wait)

    def _handle(self, run: int, name: str) -> IHandle:
        handle = self.sources.handle(self._channel_name(name)) if run == self._beat.run else None
        if handle is None:
            raise NotConnectedError("the ingest does not serve it now; nothing was written")
        return handle

    def _forget(self, edge: str, reply: Any) -> None:
        putting = self._puts.pop((edge, str(reply)), None)
        if putting is not None:
            putting.cancel()

    def _fail(self, reason: Failure, reply: str) -> None:
        error = reason.value
        if not isinstance(error, PVError):
            self._log.failure("A request of an edge failed", reason)
            error = PVError("the ingest failed")
        self._answer(reply, failure(error))

    def _answer(self, reply: str, payload: bytes) -> None:
        if len(payload) > self._client.max_payload:
            text = f"the value takes {len(payload)} bytes, more than the bus lets through"
            payload = failure(OverloadedError(text))
        self._client.publish(reply, payload)


def _shown(value: Any) -> Any:
    return value[:_MOST_SHOWN] if isinstance(value, str | list) else value


_MOST_SHOWN = 200
"""Elements or characters of a value that are kept for the log."""
