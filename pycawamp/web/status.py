"""`/status`: what the gateway is doing, and why a PV is dead."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any, Protocol

import attrs
from twisted.web.server import Request

from pycawamp.pv.hub import PV, PVHub
from pycawamp.pv.reason import reason
from pycawamp.sessions.statistics import ClientStatistics, Statistics, state
from pycawamp.web.authentication import RefusalError
from pycawamp.web.query import text_of
from pycawamp.web.site import MIME_TYPES, PAGE_HEADERS, STATIC
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

MOST = 500
"""Clients, and channels, that are told one by one."""
SEARCH, NAME = "search", "pv"


class Source(Protocol):
    """Where statistics come from."""

    def statistics(self, *, each_channel: bool = True) -> Statistics:
        """Return a snapshot."""


class StatusReport:
    """Makes the JSON of `/status`.

    The query may have `search`, a part of the names or addresses that are to be told one by one,
    and `pv`, a name of which it is to be told why it is dead. `asked` tells whom the gateway
    asks for PVs, without what is secret.
    """

    def __init__(self, source: Source, hub: PVHub, asked: Callable[[], Mapping[str, str]]) -> None:
        self._source = source
        self._hub = hub
        self._asked = asked
        self._started = time.time()
        self._page = (STATIC / "status.html").read_bytes()

    def __call__(self, request: Request) -> tuple[bytes, str]:
        """Return the report as JSON, or the page that shows it, and the media type.

        RefusalError for a bad query.
        """
        if "text/html" in (request.getHeader("accept") or ""):
            for name, value in PAGE_HEADERS.items():
                request.setHeader(name, value)
            return self._page, MIME_TYPES[".html"]
        try:
            query = _query(request.args)
        except BadMessageError as mistake:
            raise RefusalError(400, mistake.message) from None
        return dumps(self.told(query)), "application/json"

    def told(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return what is told to a query."""
        now = time.time()
        found = self._source.statistics(each_channel=False)
        told = {
            "version": version("pycaserver"),
            "started": _stamp(self._started),
            "uptime": round(now - self._started, 3),
            "connections": found.connections,
            "subscriptions": found.subscriptions,
            "channels_by_state": dict(found.channels_by_state),
            "memory": attrs.asdict(found.memory),
            "totals": _totals(found),
            "refusals": dict(found.refusals),
            "iocs": self._iocs(),
        }
        wanted = query.get(SEARCH, "").lower()
        told |= _clients(found.clients, wanted)
        told |= self._channels(wanted, now)
        if NAME in query:
            told["pv"] = self._diagnosis(query[NAME], now)
        return told

    def _channels(self, wanted: str, now: float) -> dict[str, Any]:
        number = 0
        channels: list[dict[str, Any]] = []
        for pv in self._hub:
            if wanted in pv.name.lower():
                number += 1
                if len(channels) < MOST:
                    channels.append(_channel(pv, now))
        return {"channels_found": number, "channels": channels}

    def _iocs(self) -> list[dict[str, Any]]:
        """By IOC, how many channels it has or had, and how many of them are connected."""
        counts: dict[str, list[int]] = {}
        for pv in self._hub:
            if pv.described is not None and pv.described.host:
                count = counts.setdefault(pv.described.host, [0, 0])
                count[0] += 1
                count[1] += bool(pv.connected)
        return [
            {"host": host, "channels": channels, "connected": connected}
            for host, (channels, connected) in sorted(counts.items())
        ]

    def _diagnosis(self, name: str, now: float) -> dict[str, Any]:
        pv = self._hub.find(name)
        if pv is None:
            return {"name": name, "state": "closed", "reason": "nobody has asked for it lately"}
        told = _channel(pv, now) | {"reason": reason(pv)}
        if pv.connected is None:
            told["asked"] = dict(self._asked())
        elif pv.described is not None and pv.described.host:
            others = [each for each in self._iocs() if each["host"] == pv.described.host]
            told["ioc"] = others[0] if others else None
        return told


def _query(parameters: Mapping[bytes, Collection[bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, values in parameters.items():
        key = text_of(raw)
        if key not in {SEARCH, NAME} or len(values) != 1:
            raise BadMessageError(
                "bad_request", f'expected at most one "{SEARCH}" and one "{NAME}"'
            )
        found[key] = text_of(next(iter(values)))
    return found


def _clients(clients: Collection[ClientStatistics], wanted: str) -> dict[str, Any]:
    matching = [
        each
        for each in clients
        if wanted in each.address.lower() or wanted in (each.user or "").lower()
    ]
    told = [each._asdict() | {"since": _stamp(each.since)} for each in matching[:MOST]]
    return {"clients_connected": len(clients), "clients_found": len(matching), "clients": told}


def _channel(pv: PV, now: float) -> dict[str, Any]:
    described, latest = pv.described, pv.latest
    return {
        "name": pv.name,
        "state": state(pv),
        "since": _stamp(pv.changed),
        "subscribers": len(pv.subscribers),
        "type": None if described is None else described.type.value,
        "host": None if described is None else described.host,
        "age": None if latest is None else round(now - latest.timestamp, 3),
    }


def _totals(found: Statistics) -> dict[str, Any]:
    conflated = {"conflated": found.conflated, "inbox_conflated": found.inbox_conflated}
    totals = found.totals
    counted = {
        "updates": totals.updates,
        "messages": totals.messages,
        "bytes": totals.bytes,
        "dropped": totals.dropped,
        "overruns": totals.overruns,
    }
    return counted | conflated | {"puts": dict(totals.puts), "errors": dict(totals.errors)}


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
