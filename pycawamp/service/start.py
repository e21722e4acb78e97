"""Starting under twistd: failures are reported on stderr, with exit status 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from pycawamp.config.command_line import refuse


class StartError(SystemExit, Exception):
    """A service cannot start; the text is the reason.

    As an Exception, it makes twistd remove its pid file and notify the process that waits for the
    daemon, which would otherwise wait forever. As a SystemExit, it ends the process without a
    traceback.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.code = 1


class StartReporter(MultiService):
    """Starts its services; if one fails, writes the reason to stderr and raises StartError.

    `observer` receives the log, unless twistd has another one (`--logger`); None: twistd's default.

    When services start, twistd has replaced `sys.stderr` by its log, and a daemon has no stderr.
    Therefore the descriptor is duplicated in the constructor, and closed when all services have
    started.
    """

    _log = Logger()

    def __init__(self, observer: ILogObserver | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._observer = observer
        self._stderr: int | None = os.dup(2)

    def setServiceParent(self, parent: Any) -> None:
        """Set the parent; an application gets the log observer, for twistd."""
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    def privilegedStartService(self) -> None:
        """Start services that need root privileges."""
        self._attempt(super().privilegedStartService)

    def startService(self) -> None:
        """Start all services."""
        self._attempt(super().startService)
        self._close()

    def _attempt(self, start: Callable[[], Any]) -> None:
        try:
            start()
        except StartError as error:
            self._log.critical("{problem}", problem=str(error))
            self._report(str(error))
            raise
        except Exception as error:
            self._log.failure("pycaserver cannot start")
            problem = str(error) or repr(error)
            self._report(problem)
            raise StartError(problem) from error

    def _report(self, problem: str) -> None:
        if self._stderr is not None:
            os.write(self._stderr, f"pycaserver: {problem}\n".encode())
        self._close()

    def _close(self) -> None:
        stderr, self._stderr = self._stderr, None
        if stderr is not None:
            os.close(stderr)


def check_user(twistd_options: Mapping[str, Any]) -> None:
    """Exit if twistd's --uid or --gid cannot be applied.

    twistd itself notices this after it has become a daemon, and then hangs.
    """
    for option, own in (("uid", os.getuid()), ("gid", os.getgid())):
        requested = twistd_options.get(option)
        if requested is not None and requested != own and os.geteuid() != 0:
            refuse(f"--{option}: only root can become another user or group")
