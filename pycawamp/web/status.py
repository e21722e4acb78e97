"""`/status`: what the gateway is doing, and why a PV is not connected."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Hashable, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from ipaddress import ip_address
from time import monotonic
from typing import Any, Protocol

import attrs
from twisted.web.server import Request

from pycawamp.access import Verdict
from pycawamp.pv.hub import PVHub
from pycawamp.pv.pv import PV
from pycawamp.pv.reason import reason
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.statistics import ClientStatistics, Statistics, state
from pycawamp.web.authentication import RefusalError
from pycawamp.web.query import text_of
from pycawamp.web.site import MIME_TYPES, PAGE_HEADERS, STATIC
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

MAX_LISTED = 500
"""Maximum number of clients and of channels that are listed."""
SEARCH, NAME, USER, HOST = "search", "pv", "user", "host"
SHORTEST = 1.0
"""Minimum seconds over which rates are computed."""


class StatisticsSource(Protocol):
    """The source of statistics."""

    def statistics(self, *, each_channel: bool = True) -> Statistics:
        """Return a snapshot."""


class StatusReport:
    """Creates the JSON of `/status`.

    In the query, `search` is a part of the names or addresses to list, and `pv` is a name for which
    to explain why it is not connected: to the client, or to a `user` at a `host`.

    Args:
        source: The gateway.
        decide: Returns what a user at an address may do with a PV.
        search_variables: Returns the configuration of searches for PVs, without secrets.
    """

    def __init__(
        self,
        source: StatisticsSource,
        hub: PVHub,
        decide: Callable[[str, str | None, str], Verdict],
        search_variables: Callable[[], Mapping[str, str]],
    ) -> None:
        self._source = source
        self._hub = hub
        self._decide = decide
        self._search_variables = search_variables
        self._rates = Rates()
        self._started = time.time()
        self._page = (STATIC / "status.html").read_bytes()

    def __call__(self, request: Request, peer: Peer) -> tuple[bytes, str]:
        """Return the report as JSON, or the page that shows it, and the media type.

        Raises:
            RefusalError: The query is invalid.
        """
        if "text/html" in (request.getHeader("accept") or ""):
            for name, value in PAGE_HEADERS.items():
                request.setHeader(name, value)
            return self._page, MIME_TYPES[".html"]
        try:
            query = _query(request.args)
        except BadMessageError as mistake:
            raise RefusalError(400, mistake.message) from None
        client = {USER: peer.user or "", HOST: peer.host}
        return dumps(self.content(client | query)), "application/json"

    def content(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the response to a query."""
        now = time.time()
        found = self._source.statistics(each_channel=False)
        iocs = self._iocs(found.delays.by_ioc)
        content = {
            "version": version("pycaserver"),
            "started": _stamp(self._started),
            "uptime": round(now - self._started, 3),
            "connections": found.connections,
            "subscriptions": found.subscriptions,
            "channels_by_state": dict(found.channels_by_state),
            "memory": attrs.asdict(found.memory),
            "totals": _totals(found),
            "refusals": dict(found.refusals),
            "iocs": iocs,
        }
        search = query.get(SEARCH, "").lower()
        content |= self._clients(found.clients, search, now)
        content |= self._channels(search, now)
        if NAME in query:
            content["pv"] = self._diagnosis(query, now, iocs)
        self._rates.end()
        return content

    def _clients(
        self, clients: Collection[ClientStatistics], search: str, now: float
    ) -> dict[str, Any]:
        matching = [
            each
            for each in clients
            if search in each.address.lower() or search in (each.user or "").lower()
        ]
        entries = [
            each._asdict()
            | {
                "since": _stamp(each.since),
                "rate": self._rates.of((each.address, each.since), each.sent, now - each.since),
            }
            for each in matching[:MAX_LISTED]
        ]
        return {
            "clients_connected": len(clients),
            "clients_found": len(matching),
            "clients": entries,
        }

    def _channels(self, search: str, now: float) -> dict[str, Any]:
        number = 0
        channels: list[dict[str, Any]] = []
        for pv in self._hub:
            if search in pv.name.lower():
                number += 1
                if len(channels) < MAX_LISTED:
                    channels.append(self._channel(pv, now))
        return {"channels_found": number, "channels": channels}

    def _channel(self, pv: PV, now: float) -> dict[str, Any]:
        described, latest = pv.described, pv.latest
        first = pv.updates_of_connection
        return {
            "name": pv.name,
            "state": state(pv),
            "since": _stamp(pv.changed),
            "subscribers": len(pv.subscribers),
            "type": None if described is None else described.type.value,
            "host": None if described is None else described.host,
            "age": None if latest is None else round(now - latest.timestamp, 3),
            "updates": pv.updates,
            "rate": self._rates.of(pv.name, pv.updates, pv.seconds() - pv.since, first),
        }

    def _iocs(self, lags: Mapping[str, float]) -> list[dict[str, Any]]:
        """Return for each IOC the number of its channels, and how many are connected."""
        counts: dict[str, list[int]] = {}
        for pv in self._hub:
            if pv.described is not None and pv.described.host:
                count = counts.setdefault(pv.described.host, [0, 0])
                count[0] += 1
                count[1] += bool(pv.connected)
        return [
            {
                "host": host,
                "channels": channels,
                "connected": connected,
                "lag": round(lags[host], 4) if host in lags else None,
            }
            for host, (channels, connected) in sorted(counts.items())
        ]

    def _diagnosis(
        self, query: Mapping[str, str], now: float, iocs: list[dict[str, Any]]
    ) -> dict[str, Any]:
        name, user, host = query[NAME], query.get(USER) or None, query.get(HOST, "")
        try:
            verdict = self._decide(name, user, host)
        except BadMessageError as mistake:
            return {"name": name, "state": "closed", "reason": mistake.message}
        pv = self._hub.find(verdict.real_name)
        content: dict[str, Any] = {"state": "closed", "reason": "it has no open channel"}
        if pv is not None:
            content = self._channel(pv, now) | {"reason": reason(pv)}
        if not verdict.read:
            content["reason"] = (
                f"the access rules do not let {user or 'anonymous'} at {host} read it"
            )
        elif pv is not None:
            content |= self._source_of(pv, iocs)
        alias = {"real_name": verdict.real_name} if verdict.real_name != name else {}
        access = {
            "user": user,
            "host": host,
            "read": verdict.read,
            "write": verdict.write,
            "because": list(verdict.rules),
        }
        return content | {"name": name} | alias | {"access": access}

    def _source_of(self, pv: PV, iocs: list[dict[str, Any]]) -> dict[str, Any]:
        """Return where the gateway searches for a PV, or the state of its IOC."""
        if pv.connected is None:
            return {"asked": dict(self._search_variables())}
        if pv.described is None or not pv.described.host:
            return {}
        return {"ioc": next(each for each in iocs if each["host"] == pv.described.host)}


class Rates:
    """Converts counts to rates since the previous report, unless that is too old."""

    def __init__(self) -> None:
        # Of the current report, and of the one to which it is compared.
        self._new: dict[Hashable, int] = {}
        self._old: dict[Hashable, int] = {}
        self._since = monotonic()

    def of(self, key: Hashable, count: int, age: float, young: int | None = None) -> float:
        """Return the rate of a count.

        Without a previous report, it is the mean over `age` seconds: that of the whole count, or of
        `young`.
        """
        self._new[key] = count
        before = self._old.get(key)
        seconds = monotonic() - self._since
        if before is None or count < before or seconds > age:
            before, seconds = count - (count if young is None else young), age
        return round((count - before) / max(seconds, SHORTEST), 3)

    def end(self) -> None:
        """Compute the following rates since this report, unless the previous one is too recent."""
        now = monotonic()
        if not self._old or now - self._since >= SHORTEST:
            self._old, self._since = self._new, now
        self._new = {}


def _query(parameters: Mapping[bytes, Collection[bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, values in parameters.items():
        key = text_of(raw)
        if key not in {SEARCH, NAME, USER, HOST} or len(values) != 1:
            text = f'expected at most one of each of "{SEARCH}", "{NAME}", "{USER}" and "{HOST}"'
            raise BadMessageError("bad_request", text)
        found[key] = text_of(next(iter(values)))
    if found.get(HOST):
        try:
            found[HOST] = str(ip_address(found[HOST]))
        except ValueError:
            text = f'expected "{HOST}" to be an IP address'
            raise BadMessageError("bad_request", text) from None
    return found


def _totals(found: Statistics) -> dict[str, Any]:
    conflated = {"conflated": found.conflated, "inbox_conflated": found.inbox_conflated}
    totals = found.totals
    counted = {
        "updates": totals.updates,
        "messages": totals.messages,
        "bytes": totals.bytes,
        "bytes_received": totals.received,
        "dropped": totals.dropped,
        "overruns": totals.overruns,
    }
    by_kind = {"puts": totals.puts, "errors": totals.errors, "logins": totals.logins}
    return counted | conflated | {name: dict(counts) for name, counts in by_kind.items()}


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
