"""The types of option values: functions that parse a text, or raise ValueError."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from urllib.parse import urlsplit

from twisted.logger import LogLevel

from pycawamp.access import Syntax, Writers
from pycawamp.bus.client import Server, servers
from pycawamp.bus.slots import ShardKey
from pycawamp.bus.subjects import is_name
from pycawamp.config.settings import DIALECTS, LogFormat
from pycawamp.web.host import Hosts
from pycawamp.web.origin import Origins
from pycawamp.web.proxy import UNIX
from pycawamp.web.reports import ReportReaders

MAX_LIMIT = 10**9
"""The maximum of all limits, to catch typing errors."""


def flag(text: str) -> bool:
    """Parse yes or no."""
    if text.lower() not in _FLAGS:
        raise ValueError("yes or no")
    return _FLAGS[text.lower()]


def ports(text: str) -> list[str]:
    """Return the Twisted endpoint description for a port number or a description."""
    return [_port(text)]


def _port(text: str) -> str:
    if text.isascii() and text.isdigit():
        if not 0 <= int(text) <= 65535:
            raise ValueError("a port number of at most 65535")
        return f"tcp:{int(text)}"
    if not re.match(r"[A-Za-z][\w-]*:", text):
        raise ValueError("a number or an endpoint such as tcp:8888")
    return text


def seconds(text: str) -> float:
    """Parse a time above 0."""
    return _positive(text, "seconds, more than 0")


def dialects(text: str) -> tuple[str, ...]:
    """Parse names of protocols, separated by commas, or none."""
    if text == "none":
        return ()
    found = tuple(part.strip() for part in text.split(","))
    if not set(found) <= set(DIALECTS):
        raise ValueError(f"none, or one or more of {','.join(DIALECTS)}")
    return found


def seconds_or_0(text: str) -> float:
    """Parse a time of 0 or more."""
    return 0.0 if text == "0" else _positive(text, "seconds, 0 or more")


def interval(text: str) -> float:
    """Parse a time of at least one second, the resolution of Autobahn's timers."""
    value = seconds(text)
    if value < 1:
        raise ValueError("at least 1 second")
    return value


def rate(text: str) -> float:
    """Parse a number per second, above 0."""
    return _positive(text, "a number per second, more than 0")


def whole(least: int = 1) -> Callable[[str], int]:
    """Return a parser of whole numbers with a minimum."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= MAX_LIMIT:
            raise ValueError(f"a whole number from {least} to {MAX_LIMIT}")
        return int(text)

    return parse


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return a parser of one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return parse


def path(text: str) -> str:
    """Parse a file name; return an absolute path, as twistd may change the directory."""
    if not text:
        raise ValueError("the name of a file")
    return os.path.abspath(text)


def folder(text: str) -> str:
    """Parse the name of an existing folder; return an absolute path."""
    if not text or not os.path.isdir(text):
        raise ValueError("the name of a folder that can be read")
    return os.path.abspath(text)


def http_url(text: str) -> str:
    """Parse the URL of a service."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username or not text.isascii():
        raise ValueError("a URL such as http://cf.example.org:8080/ChannelFinder")
    return text


def some_text(text: str) -> str:
    """Parse a text that is not empty."""
    if not text.strip():
        raise ValueError("some text")
    return text


def url(text: str) -> str:
    """Parse the URL of a server, without a query."""
    try:
        parts = urlsplit(text)
        is_server = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_server = False
    if not is_server or parts.query or parts.fragment or "@" in parts.netloc or not text.isascii():
        raise ValueError("a URL such as http://archiver:17668/retrieval, without user or query")
    return text


def header(text: str) -> str:
    """Parse the name of an HTTP header."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text):
        raise ValueError("the name of a header, such as X-Remote-User")
    return text


def writers(text: str) -> Writers:
    """Parse who may write."""
    if text not in _WRITERS:
        raise ValueError(" or ".join(_WRITERS))
    return _WRITERS[text]


def log_format(text: str) -> LogFormat:
    """Parse a format of the log."""
    try:
        return LogFormat(text)
    except ValueError:
        raise ValueError(" or ".join(one.value for one in LogFormat)) from None


def log_level(text: str) -> str:
    """Parse the name of a log level."""
    levels = [level.name for level in LogLevel.iterconstants()]
    if text not in levels:
        raise ValueError(f"one of {', '.join(levels)}")
    return text


def pvlist_syntax(text: str) -> Syntax:
    """Parse the build of the CA gateway that a PV list was written for."""
    try:
        return Syntax(text)
    except ValueError:
        raise ValueError(", ".join(one.value for one in Syntax)) from None


def report_readers(text: str) -> ReportReaders:
    """Parse who may see the pages about the gateway."""
    try:
        return ReportReaders(text)
    except ValueError:
        raise ValueError(", ".join(one.value for one in ReportReaders)) from None


def proxies(text: str) -> list[str]:
    """Parse addresses and networks, separated by commas."""
    found = [part.strip() for part in text.split(",")]
    for part in found:
        try:
            if part != UNIX:
                ip_network(part)
        except ValueError:
            expected = "addresses or networks, such as 127.0.0.1,10.0.0.0/8,::1, or unix"
            raise ValueError(expected) from None
    return found


def origins(text: str) -> list[str]:
    """Parse patterns of origins, separated by commas."""
    found = [part.strip() for part in text.split(",")]
    try:
        Origins.of(True, found)
    except ValueError:
        raise ValueError("origins such as https://*.example.org or http://host:8080") from None
    return found


def hosts(text: str) -> list[str]:
    """Parse patterns of host names, separated by commas."""
    found = [part.strip() for part in text.split(",")]
    try:
        Hosts.of(found)
    except ValueError:
        raise ValueError("host names such as gateway.example.org or *.example.org") from None
    return found


def bus(text: str) -> tuple[Server, ...]:
    """Parse the servers of the bus."""
    return servers(text)


def bus_name(text: str) -> str:
    """Parse a name on the bus."""
    if not is_name(text):
        raise ValueError("at most 40 of the letters a-z, digits, - and _")
    return text


def shard_key(text: str) -> ShardKey:
    """Parse a regular expression for the part of a name that selects its ingest."""
    return ShardKey(text)


def _positive(text: str, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(expected)
    return value


_FLAGS = {"yes": True, "true": True, "on": True, "1": True} | {
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}
LOGGED_IN = "logged-in"
_WRITERS = {LOGGED_IN: Writers.LOGGED_IN, "anyone": Writers.ANYONE}
