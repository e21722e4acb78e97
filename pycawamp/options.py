"""The command line: argv to validated settings. No I/O."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

import attrs
from twisted.python import usage

from pycawamp.access import Writers
from pycawamp.gateway import GatewaySettings
from pycawamp.web.websocket import SocketLimits


@attrs.frozen
class Settings:
    """What the command line asked for."""

    port: str = "tcp:8888"
    """A Twisted endpoint description."""
    demo: bool = False
    writers: Writers | None = None
    """Who may write; None: puts are off."""
    gateway: GatewaySettings = attrs.Factory(GatewaySettings)


class Options(usage.Options):
    """The options of `twistd pycaserver`."""

    synopsis = "[options]"
    longdesc = (
        "Shows EPICS process variables in web browsers. Without --demo it finds IOCs as the "
        "EPICS_CA_* environment says."
    )
    optParameters: Sequence[Sequence[Any]] = [
        ["port", "p", "8888", "Port number, or Twisted endpoint, as tcp:8888:interface=127.0.0.1"],
        ["connect-timeout", None, "5", "Seconds until a client is told that a PV was not found"],
        ["linger", None, "10", "Seconds that a channel stays open after its last client left"],
        ["stall-timeout", None, "30", "Seconds until a client that takes no data is dropped"],
        ["ping-interval", None, "20", "Seconds between pings; who answers none is dropped"],
        ["allow-put", None, None, "Let clients write: =anyone means even without a login"],
        ["put-log", None, None, "File that gets a line for each put; else the ordinary log does"],
    ]
    optFlags: Sequence[Sequence[Any]] = [
        ["demo", None, "Also run an IOC of its own, with records to try the gateway on"],
    ]

    settings = Settings()

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, or end the process with one line that says what was wrong."""
        try:
            super().parseOptions(options)  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            refuse(str(error))

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}; options start with --")

    def postOptions(self) -> None:
        """Check all values before anything is opened."""
        seconds = {name: self._seconds(name) for name in _TIMES}
        self.settings = Settings(
            port=endpoint_description(self["port"]),
            demo=bool(self["demo"]),
            writers=self._writers(),
            gateway=GatewaySettings(
                connect_timeout=seconds["connect-timeout"],
                linger=seconds["linger"],
                own_repeater=bool(self["demo"]),
                put_log=self["put-log"] and os.path.abspath(self["put-log"]),
                socket=SocketLimits(
                    stall_timeout=seconds["stall-timeout"],
                    ping_interval=seconds["ping-interval"],
                ),
            ),
        )

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"pycaserver {version('pycaserver')}")
        sys.exit(0)

    def _writers(self) -> Writers | None:
        choice = self["allow-put"]
        if choice is not None and choice not in _WRITERS:
            expected = " or ".join(_WRITERS)
            raise usage.UsageError(f"--allow-put: expected {expected}, got {choice!r}")
        return _WRITERS[choice] if choice is not None else None

    def _seconds(self, name: str) -> float:
        try:
            seconds = float(self[name])
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise usage.UsageError(f"--{name}: expected seconds, more than 0, got {self[name]!r}")
        if name == "ping-interval" and seconds < 1:
            # Autobahn's timers tick once a second.
            raise usage.UsageError(f"--{name}: expected at least 1 second, got {self[name]!r}")
        return seconds


_WRITERS = {"anyone": Writers.ANYONE}
_TIMES = ("connect-timeout", "linger", "stall-timeout", "ping-interval")


def endpoint_description(port: str) -> str:
    """The Twisted endpoint that a --port value means; UsageError if it can be none."""
    if port.isascii() and port.isdigit():
        if not 0 <= int(port) <= 65535:
            raise usage.UsageError(f"--port: a port number is at most 65535, got {port}")
        return f"tcp:{int(port)}"
    if not re.match(r"[A-Za-z][\w-]*:", port):
        raise usage.UsageError(
            f"--port: expected a number or an endpoint such as tcp:8888, got {port!r}"
        )
    return port


def refuse(problem: str) -> NoReturn:
    """End the process: one line on stderr, exit status 1."""
    raise SystemExit(f"pycaserver: {problem}")
