"""The edges that an ingest serves."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import attrs
from twisted.internet.task import Cooperator
from twisted.logger import Logger

from pycawamp.bus import subjects
from pycawamp.bus.client import NATSClient
from pycawamp.bus.control import Action, Control, StreamStatus
from pycawamp.bus.published_pvs import PublishedPVs
from pycawamp.bus.stream import EdgeStream
from pycawamp.pv.interfaces import IHandle
from pycawamp.pv.router import UnknownSchemeError

MAX_SILENT = 10
"""Ticks without a message, after which an edge is considered lost."""
LOG_SECONDS = 60.0
"""Minimum time between two log lines about an edge that does not keep up."""


class ReadRules(Protocol):
    """Which PVs edges may read, and the names of their channels."""

    def channel_name(self, name: str) -> str:
        """Return the name of a PV's channel; raises UnknownSchemeError."""

    def may_read(self, edge: str, name: str) -> bool:
        """Return whether an edge may read a PV, by its name with its scheme."""


@attrs.define(eq=False)
class ServedEdge:
    """One run of an edge."""

    name: str
    stream: EdgeStream
    open: dict[str, str] = attrs.Factory(dict)
    """The names of the PVs that it has open, by those of their channels."""
    refused: dict[str, None] = attrs.Factory(dict)
    """The names of requested PVs that it may not read."""
    number: int = 0
    """The number of the last message of the epoch that changed what is open."""
    is_whole: bool = False
    """Whether all messages of the epoch have arrived."""
    silent: int = 0
    """Ticks since its last message."""
    work: deque[Control] = attrs.Factory(deque)
    waiting: int = 0
    """Names in `work`."""
    is_working: bool = False
    logged_conflated: int = 0
    """Replaced updates that were logged."""
    logged_at: float = -math.inf


Key: TypeAlias = tuple[str, str]
"""The name of an edge, and its run."""


class ServedEdges:
    """Opens and closes PVs as requested by edges.

    `changed` is called when an edge may need fewer PVs than before.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts)
        self,
        reactor: Any,
        client: NATSClient,
        published: PublishedPVs,
        *,
        run: int,
        rules: ReadRules,
        max_channels: int,
        changed: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._client = client
        self._published = published
        self._run = run
        self._rules = rules
        self._max_channels = max_channels
        self._changed = changed
        self._edges: dict[Key, ServedEdge] = {}
        self._cooperator = Cooperator(scheduler=lambda work: reactor.callLater(0, work))

    def __len__(self) -> int:
        return len(self._edges)

    @property
    def has_pvs(self) -> bool:
        """Whether an edge has open or requested PVs."""
        return any(edge.open or edge.work for edge in self._edges.values())

    def handle(self, name: str, pv: str) -> IHandle | None:
        """Return the handle of a PV that an edge of this name has open; otherwise None."""
        channel = self._rules.channel_name(pv)
        has_it = any(key[0] == name and channel in edge.open for key, edge in self._edges.items())
        return self._published.handle(channel) if has_it else None

    def close(self) -> None:
        """Drop all edges."""
        for key in list(self._edges):
            self._drop(key)
        self._cooperator.stop()

    def tick(self) -> None:
        """Drop edges that have sent nothing for too long."""
        for key, edge in list(self._edges.items()):
            self._log_conflated(edge)
            edge.silent += 1
            if edge.silent > MAX_SILENT:
                self._log.warn("The edge {edge} does not respond", edge=edge.name)
                self._drop(key)

    def send_held(self) -> None:
        """Send records that were held back while the bus was congested."""
        for edge in self._edges.values():
            edge.stream.send_held()

    def reauthorize(self) -> None:
        """Restart the streams of edges that may read other PVs than before."""
        for edge in self._edges.values():
            self._cooperator.cooperate(self._check_access(edge))

    def control_received(self, name: str, control: Control, reply: str) -> None:
        """Handle a control message."""
        key = name, control.session
        edge = self._edges.get(key)
        if edge is not None:
            edge.silent = 0
        if control.action is Action.STATUS:
            self._send_status(edge, control, reply)
        elif control.action is Action.START:
            self._start(key, control)
        elif control.action is Action.LEAVE:
            if edge is not None:
                self._log.info("The edge {edge} has left", edge=edge.name)
                self._drop(key)
        elif edge is not None and edge.stream.epoch == control.epoch:
            self._change(key, edge, control)

    def _log_conflated(self, edge: ServedEdge, is_last: bool = False) -> None:
        """Log that an edge does not keep up, at most once a minute and when it is dropped."""
        now, conflated = self._reactor.seconds(), edge.stream.conflated
        is_time = is_last or now >= edge.logged_at + LOG_SECONDS
        if conflated > edge.logged_conflated and is_time:
            self._log.warn(
                "The edge {edge} does not keep up: {count} updates were replaced by newer ones",
                edge=edge.name,
                count=conflated - edge.logged_conflated,
            )
            edge.logged_conflated, edge.logged_at = conflated, now

    def _send_status(self, edge: ServedEdge | None, control: Control, reply: str) -> None:
        if edge is None or edge.stream.epoch != control.epoch:
            status = StreamStatus(self._run, 0, is_whole=False, version=control.version)
        else:
            edge.stream.handled(int(control.content))
            is_whole = edge.is_whole and edge.number == control.number
            status = StreamStatus(self._run, edge.stream.number, is_whole, control.version)
        self._client.publish(reply, status.packed())

    def _start(self, key: Key, control: Control) -> None:
        edge = self._edges.get(key)
        if edge is None:
            subject = subjects.data(*key)
            stream = EdgeStream(self._reactor, self._client, self._run, subject)
            edge = self._edges[key] = ServedEdge(key[0], stream)
            self._log.info("The edge {edge} has connected", edge=edge.name)
        else:
            self._close_all(edge)
        edge.stream.start(control.epoch, control.version)
        edge.number, edge.is_whole = 0, True

    def _change(self, key: Key, edge: ServedEdge, control: Control) -> None:
        if control.number != edge.number + 1 or not isinstance(control.content, list):
            edge.is_whole = False
            return
        edge.number += 1
        edge.work.append(control)
        edge.waiting += len(control.content)
        if edge.waiting + len(edge.refused) > 2 * self._max_channels:
            self._log.warn("The edge {edge} requests too many PVs", edge=edge.name)
            self._drop(key)
        elif not edge.is_working:
            edge.is_working = True
            self._cooperator.cooperate(self._work(edge))

    def _check_access(self, edge: ServedEdge) -> Iterator[None]:
        before = [(name, True) for name in edge.open.values()]
        before += [(name, False) for name in edge.refused]
        for name, could_read in before:
            if self._rules.may_read(edge.name, name) is not could_read:
                # It will request everything again.
                edge.is_whole = False
                return
            yield

    def _work(self, edge: ServedEdge) -> Iterator[None]:
        """Handle the changes that an edge requested, one PV per step."""
        while edge.work:
            control = edge.work.popleft()
            for each in control.content:
                edge.waiting -= 1
                # Not if the stream was restarted meanwhile.
                if control.epoch == edge.stream.epoch:
                    self._open_or_close(edge, control.action, each)
                yield
        edge.is_working = False
        self._changed()

    def _open_or_close(self, edge: ServedEdge, action: Action, content: Any) -> None:
        try:
            match action:
                case Action.OPEN:
                    # Version 1 has no rates.
                    number, name, *rates = content
                    self._open(edge, int(number), str(name), _rate(*rates))
                case Action.LIMIT:
                    name, rate = content
                    channel = self._rules.channel_name(str(name))
                    self._published.limit(channel, edge.stream, _rate(rate))
                case _:
                    self._close(edge, str(content))
        except Exception:
            self._log.failure("Cannot handle a request of the edge {edge}", edge=edge.name)

    def _open(self, edge: ServedEdge, number: int, name: str, rate: float | None) -> None:
        try:
            channel = self._rules.channel_name(name)
        except UnknownSchemeError as error:
            self._published.refuse(edge.stream, number, str(error))
            return
        if not self._rules.may_read(edge.name, name):
            edge.refused[name] = None
            text = f"the ingest does not let the edge {edge.name} read it"
            self._published.refuse(edge.stream, number, text)
        elif channel not in self._published and len(self._published) >= self._max_channels:
            text = f"the limit of {self._max_channels} channels is reached"
            self._published.refuse(edge.stream, number, text)
        else:
            edge.open[channel] = name
            self._published.open(channel, edge.stream, number, rate)

    def _close(self, edge: ServedEdge, name: str) -> None:
        edge.refused.pop(name, None)
        channel = self._rules.channel_name(name)
        if edge.open.pop(channel, None) is not None:
            self._published.close(channel, edge.stream)

    def _close_all(self, edge: ServedEdge) -> None:
        for name in edge.open:
            self._published.close(name, edge.stream)
        edge.open.clear()
        edge.refused.clear()
        edge.work.clear()
        edge.waiting = 0

    def _drop(self, key: Key) -> None:
        edge = self._edges.pop(key)
        self._log_conflated(edge, is_last=True)
        self._close_all(edge)
        self._changed()


def _rate(rate: Any = None) -> float | None:
    if rate is None:
        return None
    number = float(rate)
    if math.isnan(number):
        raise ValueError(f"expected updates per second, got {rate}")
    return number
