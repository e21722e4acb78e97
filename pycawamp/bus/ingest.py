"""The ingest: publishes PVs of a hub on the bus, and executes requests of edges."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pycawamp.bus import subjects
from pycawamp.bus.answers import Answers, PutRules
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Action, Control, Heartbeat
from pycawamp.bus.protocol import Message
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.requests import NATSRequests
from pycawamp.bus.served_edges import ReadRules, ServedEdges
from pycawamp.pv.hub import PVHub
from pycawamp.pv.routes import Buffer

HEARTBEAT_SECONDS = 0.5
OTHER_SECONDS = 5.0
"""Seconds for which another ingest counts as running without a heartbeat: longer than for edges."""
NAMESAKE_SECONDS = 2.0
"""Seconds in which another ingest of the same name must reply; otherwise it has hung."""
LEAVE_SECONDS = 10.0
"""Seconds in which edges must move to another ingest when this one stops."""


class Rules(ReadRules, PutRules, Protocol):
    """The rights of edges."""


class Ingest(Service):
    """Serves edges while it runs. The hub and the client are services beside it.

    `conflict` is called when another ingest has the same name. `make_buffer` creates compiled
    buffers; None: updates are packed in Python.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts)
        self,
        reactor: Any,
        client: NATSClient,
        hub: PVHub,
        *,
        name: str,
        rules: Rules,
        max_channels: int,
        conflict: Callable[[], None],
        make_buffer: Callable[[bytes], Buffer] | None = None,
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._name = name
        self._conflict = conflict
        self._heartbeat = Heartbeat(secrets.randbits(63), time.time(), is_leaving=False)
        run = self._heartbeat.run
        self.published = PublishedPVs(reactor, hub, make_buffer)
        self.edges = ServedEdges(
            reactor,
            client,
            self.published,
            run=run,
            rules=rules,
            max_channels=max_channels,
            changed=self._check_left,
        )
        self._answers = Answers(client, run, self.edges.handle, rules, self._check_left)
        self._others: dict[str, float] = {}
        self._heartbeats = LoopingCall(self._tick)
        self._heartbeats.clock = reactor
        self._left: Deferred[None] | None = None
        self._requests = NATSRequests(client, subjects.replies(name, f"{run:x}"))
        self._is_serving = False
        client.on_open.append(self._opened)
        client.on_writable.append(self.edges.send_held)

    def startService(self) -> None:
        """Begin to send heartbeats."""
        super().startService()  # type: ignore[no-untyped-call]
        self._heartbeats.start(HEARTBEAT_SECONDS)

    def leave(self) -> Deferred[None]:
        """Have the edges move to another ingest; fires when they have, or after LEAVE_SECONDS."""
        self._heartbeat = attrs.evolve(self._heartbeat, is_leaving=True)
        self._send_heartbeat()
        now = self._reactor.seconds()
        others = [name for name, at in self._others.items() if now - at < OTHER_SECONDS]
        if not others or not self.edges:
            return succeed(None)
        self._log.info("Edges are moving to {others}", others=", ".join(sorted(others)))
        self._left = left = Deferred[None]()
        left.addTimeout(LEAVE_SECONDS, self._reactor, lambda *_: None)
        self._check_left()
        return left

    def stopService(self) -> None:
        """Stop serving edges."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._heartbeats.running:
            self._heartbeats.stop()
        self.edges.close()
        self.published.stop()
        self._answers.close()

    # Presence

    def _opened(self) -> None:
        """Serve, unless another ingest of this name replies."""
        if self._is_serving:
            self._send_heartbeat()
            return
        replied = self._requests.request(subjects.namesake(self._name), b"")
        replied.addTimeout(NAMESAKE_SECONDS, self._reactor)
        replied.addCallbacks(lambda _: self._conflict(), lambda _: self._serve())

    def _serve(self) -> None:
        if self._is_serving or not self.running or not self._client.is_open:
            return
        self._is_serving = True
        for subject, handler in (
            (subjects.namesake(self._name), self._answer_namesake),
            (subjects.control(self._name, "*"), self._control_received),
            (subjects.get(self._name, "*"), self._answers.get),
            (subjects.put(self._name, "*"), self._answers.put),
            (subjects.DISCOVER, lambda _: self._send_heartbeat()),
            (subjects.HEARTBEATS, self._heartbeat_received),
        ):
            self._client.subscribe(subject, handler)
        self._log.info("The ingest {ingest} is ready", ingest=self._name)
        self._send_heartbeat()

    def _answer_namesake(self, message: Message) -> None:
        self._client.publish(message.reply, b"")

    def _tick(self) -> None:
        self._send_heartbeat()
        self.edges.tick()

    def _send_heartbeat(self) -> None:
        if self.running and self._is_serving:
            self._client.publish(subjects.heartbeat(self._name), self._heartbeat.packed())

    def _heartbeat_received(self, message: Message) -> None:
        name = subjects.last(message.subject)
        heartbeat = Heartbeat.of(message.payload)
        if name != self._name:
            if heartbeat.is_leaving:
                self._others.pop(name, None)
            else:
                self._others[name] = self._reactor.seconds()
        elif (heartbeat.started, heartbeat.run) < (self._heartbeat.started, self._heartbeat.run):
            self._conflict()
        else:
            # So that the other one detects the conflict.
            self._send_heartbeat()

    # Requests of edges

    def _control_received(self, message: Message) -> None:
        edge, control = subjects.last(message.subject), Control.of(message.payload)
        if control.action is Action.FORGET:
            self._answers.cancel(edge, str(control.content))
        else:
            self.edges.control_received(edge, control, message.reply)

    def _check_left(self) -> None:
        """Finish `leave` once no edge needs this ingest."""
        left = self._left
        if left is None or self.edges.has_pvs or self._answers.has_puts:
            return
        self._left = None
        # In a later iteration: stopping ends the work for edges, within which this may be called.
        self._reactor.callLater(0, left.callback, None)
