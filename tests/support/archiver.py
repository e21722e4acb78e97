"""The data retrieval of an EPICS Archiver Appliance, as described by its documentation.

`/retrieval/data/getData.json` with `pv`, `from` and `to`, and the operator `optimized`: all samples
of the period, and the one before; if there are more than requested, the mean, standard deviation,
lowest, highest and number of each bin. NaN is written as `NaN`, like by the appliance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site


class Stored(NamedTuple):
    """A sample in the appliance."""

    secs: int
    nanos: int
    val: Any
    severity: int = 0
    status: int = 0


class ArchiverAppliance(Resource):
    """A server with samples by PV name, which the test sets."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.samples: dict[str, list[Stored]] = {}
        self.requests: list[dict[str, str]] = []
        """The queries of all requests so far."""
        self.answer: Callable[[Request], Any] | None = None
        """The response in its place, to simulate a fault."""
        site = Site(self)
        listen: Any = reactor.listenTCP
        self._port = listen(0, site, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self._port.getHost().port}/retrieval"

    def stop(self) -> Deferred[None] | None:
        """Close the port."""
        stopped: Deferred[None] | None = self._port.stopListening()
        return stopped

    def render_GET(self, request: Request) -> bytes | int:
        """Respond to a request for samples."""
        query = {key.decode(): values[0].decode() for key, values in (request.args or {}).items()}
        self.requests.append(query)
        if self.answer is not None:
            answer: bytes | int = self.answer(request)
            return answer
        if request.path != b"/retrieval/data/getData.json":
            request.setResponseCode(404)
            return b"no such path"
        match = re.fullmatch(r"optimized_(\d+)\((.*)\)", query["pv"])
        points, name = (int(match[1]), match[2]) if match else (None, query["pv"])
        if name not in self.samples:
            request.setResponseCode(404)
            return b"No typeinfo for PV"
        start, end = (_seconds(query[key]) for key in ("from", "to"))
        found = _between(self.samples[name], start, end)
        if points is not None and len(found) > points:
            found = _binned(found, start, max(1, int((end - start) / points)))
        data = [stored._asdict() for stored in found]
        meta = {"name": query["pv"], "PREC": "3", "EGU": "mm"}
        request.setHeader("Content-Type", "application/json")
        return json.dumps([{"meta": meta, "data": data}]).encode()


def never(_request: Request) -> int:
    """Do not respond."""
    return NOT_DONE_YET


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _between(samples: list[Stored], start: float, end: float) -> list[Stored]:
    times = [stored.secs + stored.nanos / 1e9 for stored in samples]
    before = [stored for stored, at in zip(samples, times, strict=True) if at < start][-1:]
    return before + [
        stored for stored, at in zip(samples, times, strict=True) if start <= at <= end
    ]


def _binned(samples: list[Stored], start: float, width: int) -> list[Stored]:
    bins: dict[int, list[Stored]] = {}
    for stored in samples:
        bins.setdefault(max(stored.secs, int(start)) // width, []).append(stored)
    return [_statistics(number * width + width // 2, bins[number]) for number in sorted(bins)]


def _statistics(secs: int, samples: list[Stored]) -> Stored:
    values = [float(stored.val) for stored in samples]
    severity = max(stored.severity for stored in samples)
    described = [fmean(values), pstdev(values), min(values), max(values), float(len(values))]
    return Stored(secs, 0, described, severity)
