"""A gateway without a port: what others embed, and what the service listens for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger
from twisted.web.resource import IResource

from pycawamp.access import IPolicy, Policy
from pycawamp.fanout.turn import Turn
from pycawamp.limits import Limits, Tally
from pycawamp.putlog import PutLog
from pycawamp.pv.ca import CABackend
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend
from pycawamp.sessions import Sessions
from pycawamp.web.door import Door
from pycawamp.web.entrance import Entrance
from pycawamp.web.websocket import MonitorFactory, SocketLimits


@attrs.frozen
class GatewaySettings:
    """What can be set of a gateway; all times in seconds."""

    connect_timeout: float = 5.0
    """How long a PV may stay unfound before its client is told."""
    linger: float = 10.0
    """How long a channel stays open after its last client left."""
    own_repeater: bool = False
    """Whether a CA repeater, if one must be started, ends with the gateway."""
    put_log: str | None = None
    """The file that gets a line for each put; None: the ordinary log."""
    socket: SocketLimits = attrs.Factory(SocketLimits)
    limits: Limits = attrs.Factory(Limits)


class Gateway(Service):
    """PVs in by Channel Access, messages out by WebSocket, while the service runs.

    `hub` has the PVs: subscribe to it with an object of your own. `resource` takes the
    WebSocket connections: mount it in a twisted.web Site of your own. `backend` is where
    the PVs come from, if not by Channel Access. `policy` decides who may read and write;
    without one, all may read and nobody may write. `door` lets clients in; without one, all
    come in, and as nobody.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: GatewaySettings | None = None,
        backend: IBackend | None = None,
        policy: IPolicy | None = None,
        door: Door | None = None,
    ) -> None:
        settings = settings or GatewaySettings()
        turn = Turn(reactor)
        door = door or Door(reactor)
        self.tally: Tally = door.tally
        self._inbox = Inbox(reactor, after_slice=turn.flush)
        backend = backend or CABackend(reactor, self._inbox, settings.own_repeater)
        self.hub = PVHub(reactor, backend, settings.linger)
        self._sessions = Sessions(
            reactor,
            self.hub,
            turn,
            policy=policy or Policy(),
            put_log=PutLog(settings.put_log),
            connect_timeout=settings.connect_timeout,
            limits=settings.limits,
            tally=self.tally,
        )
        self._sockets = MonitorFactory(reactor, self._sessions, settings.socket)
        self.resource: IResource = Entrance(self._sockets, door)

    def startService(self) -> None:
        """Open Channel Access: after twistd's fork, which its threads would not survive."""
        super().startService()  # type: ignore[no-untyped-call]
        self.hub.startService()

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    def review(self) -> None:
        """Apply a changed policy to what is open: what is forbidden now ends."""
        self._sessions.review()

    def check_logins(self) -> None:
        """Close the connections of those who may not log in any more."""
        self._sockets.check_logins()

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[None], None, None]:
        """Say goodbye to the clients, then free every channel."""
        super().stopService()  # type: ignore[no-untyped-call]
        yield self._sockets.close_all()
        self._sessions.close()
        yield self.hub.stopService()
        self._inbox.close()
        if self._inbox.merged or self._sessions.merged:
            self._log.info(
                "Updates replaced by newer ones: {inbox} under load, {clients} for slow clients",
                inbox=self._inbox.merged,
                clients=self._sessions.merged,
            )
        if self.tally.counts:
            self._log.info("Refused in all: {tally}", tally=str(self.tally))
