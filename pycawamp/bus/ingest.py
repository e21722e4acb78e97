"""The ingest: brings PVs of a hub onto the bus, and requests of edges to the hub."""

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
from pycawamp.bus.control import Ask, Beat, Control
from pycawamp.bus.protocol import Message
from pycawamp.bus.published import PublishedPVs
from pycawamp.bus.requests import NATSRequests
from pycawamp.bus.served import ReadRules, ServedEdges
from pycawamp.pv.hub import PVHub
from pycawamp.pv.routes import Buffer

BEAT_SECONDS = 0.5
OTHER_SECONDS = 5.0
"""For how long another ingest that says nothing counts as there: longer than for edges."""
NAMESAKE_SECONDS = 2.0
"""How long another ingest of the same name has time to answer: one that does not has hung."""
LEAVE_SECONDS = 10.0
"""How long edges may take to go to another ingest when this one stops."""


class Rules(ReadRules, PutRules, Protocol):
    """What edges may do."""


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
        self._beat = Beat(secrets.randbits(63), time.time(), is_leaving=False)
        run = self._beat.run
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
        self._beats = LoopingCall(self._tick)
        self._beats.clock = reactor
        self._left: Deferred[None] | None = None
        self._requests = NATSRequests(client, subjects.replies(name, f"{run:x}"))
        self._is_serving = False
        client.on_open.append(self._opened)
        client.on_writable.append(self.edges.send_owed)

    def startService(self) -> None:
        """Begin to say that it is there."""
        super().startService()  # type: ignore[no-untyped-call]
        self._beats.start(BEAT_SECONDS)

    def leave(self) -> Deferred[None]:
        """Ask the edges to go to another ingest; fires when they have, or have had the time."""
        self._beat = attrs.evolve(self._beat, is_leaving=True)
        self._send_beat()
        now = self._reactor.seconds()
        others = [name for name, at in self._others.items() if now - at < OTHER_SECONDS]
        if not others or not self.edges:
            return succeed(None)
        self._log.info("Edges are going to {others}", others=", ".join(sorted(others)))
        self._left = left = Deferred[None]()
        left.addTimeout(LEAVE_SECONDS, self._reactor, lambda *_: None)
        self._check_left()
        return left

    def stopService(self) -> None:
        """Serve nobody any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._beats.running:
            self._beats.stop()
        self.edges.close()
        self.published.stop()
        self._answers.close()

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
            (subjects.get(self._name, "*"), self._answers.get),
            (subjects.put(self._name, "*"), self._answers.put),
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
        self.edges.tick()

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

    # What edges ask for

    def _controlled(self, message: Message) -> None:
        edge, asked = subjects.last(message.subject), Control.of(message.payload)
        if asked.ask is Ask.FORGET:
            self._answers.forget(edge, str(asked.content))
        else:
            self.edges.controlled(edge, asked, message.reply)

    def _check_left(self) -> None:
        """See whether an ingest that leaves is still needed."""
        left = self._left
        if left is None or self.edges.has_pvs or self._answers.has_puts:
            return
        self._left = None
        # Not within the work for an edge, which the stop ends.
        self._reactor.callLater(0, left.callback, None)
