"""Notifications of systemd: ready, stopping, watchdog."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class SystemdNotifier(Service):
    """Sends READY, STOPPING and, twice per WatchdogSec, WATCHDOG to systemd.

    They are sent from the event loop: if it hangs, systemd restarts the process. Does nothing if
    NOTIFY_SOCKET is not set.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog = int(environment.get("WATCHDOG_USEC", "0")) / 1e6 if for_us else 0.0
        self._beat = LoopingCall(self.notify, "WATCHDOG=1")
        self._beat.clock = clock

    def stopping(self) -> None:
        """Send STOPPING."""
        self.notify("STOPPING=1")

    def startService(self) -> None:
        """Send READY, and WATCHDOG from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self.notify("READY=1")
        if self._watchdog:
            self._beat.start(self._watchdog / 2)

    def stopService(self) -> Deferred[None] | None:
        """Stop sending notifications."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._beat.running:
            self._beat.stop()
        return None

    def notify(self, state: str) -> None:
        """Send a state; a failure is only logged."""
        if not self._address:
            return
        # An abstract socket is written with @ for its first byte.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), address)
        except OSError as error:
            self._log.warn(
                "systemd could not be notified of {state}: {error}", state=state, error=str(error)
            )
