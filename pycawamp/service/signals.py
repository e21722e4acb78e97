"""SIGHUP: reload all files."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger


class HangupReloader(Service):
    """A service that calls functions on SIGHUP; a previous handler is called too."""

    _log = Logger()

    def __init__(self, reactor: Any, functions: Sequence[Callable[[], object]]) -> None:
        self._reactor = reactor
        self._functions = tuple(functions)
        self._before: Any = None
        self._installed = False

    def startService(self) -> None:
        """Install the signal handler, if this is the main thread."""
        super().startService()  # type: ignore[no-untyped-call]
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGHUP, self._signal_received)
            self._installed = True

    def stopService(self) -> None:
        """Restore the previous signal handler."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._installed:
            self._installed = False
            # None: the handler was set from C, and Python cannot restore it.
            signal.signal(signal.SIGHUP, self._before or signal.SIG_DFL)

    def reload(self) -> None:
        """Call the functions."""
        self._log.info("Reading all files again")
        for function in self._functions:
            try:
                function()
            except Exception:
                self._log.failure("Some of the files could not be read again")

    def _signal_received(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)
        if callable(self._before):
            self._before(number, frame)
