"""The service of a twistd plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.service import MultiService

from pycawamp.config.settings import LogSettings
from pycawamp.service.clock import use_monotonic_clock
from pycawamp.service.garbage import ShortCollections
from pycawamp.service.logs import LogReopener, twistd_log
from pycawamp.service.start import StartReporter, check_user


def service_for_twistd(
    twistd_options: Mapping[str, Any], log: LogSettings, make: Callable[[Any], MultiService]
) -> MultiService:
    """Return the whole service of a process.

    Args:
        twistd_options: The options of twistd itself.
        log: The settings of the log.
        make: Creates the application's part, given the reactor.
    """
    # Not at the top: importing it installs it, and embedders choose their own reactor.
    from twisted.internet import reactor  # noqa: PLC0415

    check_user(twistd_options)
    use_monotonic_clock(reactor)
    file, observer = twistd_log(twistd_options, log)
    service = StartReporter(observer)
    app = make(reactor)
    if file is not None:
        # Before the application: without its handler, SIGUSR1 ends a process that is ready.
        LogReopener(reactor, file).setServiceParent(service)  # type: ignore[no-untyped-call]
    app.setServiceParent(service)
    ShortCollections(reactor).setServiceParent(app)  # type: ignore[no-untyped-call]
    return service
