"""Samples from an EPICS Archiver Appliance, by its JSON interface."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import numpy as np
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError, UserError
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed
from twisted.web.http import NOT_FOUND, OK
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from pycawamp.pv.errors import ArchiverError, OverloadedError
from pycawamp.pv.history import NO_SAMPLES, Samples
from pycawamp.pv.http_body import Body, BodyError
from pycawamp.pv.values import SEVERITIES

MAX_REQUESTS = 4
"""Maximum number of simultaneous requests to the archiver, for all clients."""
MAX_WAITING = 500
"""Maximum number of queued requests."""
TIMEOUT = 10.0
"""Seconds within which a response must be complete."""
CONNECT_TIMEOUT = 5.0
MAX_BYTES = 2**20
"""Maximum bytes of a response. Parsing a larger one would block other clients."""
POINTS_PER_BIN = 3
_TOO_LATE = "the archiver did not answer within {:g} s"
_ARCHIVED = re.compile(r"[A-Za-z0-9_:;.<>\[\]+/-]+")
"""Valid names for the archiver. In particular, parentheses would be operators."""

_Sample = tuple[int, int, float, int]
"""UNIX seconds, nanoseconds, value, severity."""


class Archiver:
    """Reads samples from an EPICS Archiver Appliance.

    Args:
        reactor: The reactor.
        url: The appliance's `data_retrieval_url`, such as http://archiver:17668/retrieval.
    """

    def __init__(self, reactor: Any, url: str) -> None:
        self._reactor = reactor
        self._url = url.rstrip("/")
        self._pool = HTTPConnectionPool(reactor)
        # It does not follow redirects: requests go only to the configured host.
        self._agent = Agent(reactor, connectTimeout=CONNECT_TIMEOUT, pool=self._pool)
        self._turns = DeferredSemaphore(MAX_REQUESTS)

    def close(self) -> Deferred[None]:
        """Close idle connections; fires when they are closed."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def samples(self, name: str, start: float, end: float, points: int) -> Samples:
        """Return the samples of a period, and the last one before it.

        Args:
            name: The PV's name, without a scheme.
            start: UNIX seconds.
            end: UNIX seconds.
            points: Maximum number of samples. If there are more, each interval has its lowest,
                highest and mean value.

        Raises:
            ArchiverError: The archiver does not answer, or its answer is invalid.
            OverloadedError: Too many requests are queued.
        """
        if not _ARCHIVED.fullmatch(name) or end <= start:
            return NO_SAMPLES
        if len(self._turns.waiting) >= MAX_WAITING:
            raise OverloadedError("too many requests wait for the archiver")
        bins = max(1, points // POINTS_PER_BIN)
        await self._turns.acquire()
        try:
            body = await self._get(f"optimized_{bins}({name})", start, end)
        finally:
            self._turns.release()
        return _parsed(body)

    async def _get(self, pv: str, start: float, end: float) -> bytes:
        query = f"pv={_quoted(pv)}&from={_quoted(_iso(start))}&to={_quoted(_iso(end))}"
        url = f"{self._url}/data/getData.json?{query}"
        try:
            return await Deferred.fromCoroutine(self._read(url)).addTimeout(TIMEOUT, self._reactor)
        except (DeferredTimeoutError, ConnectingCancelledError):
            raise ArchiverError(_TOO_LATE.format(TIMEOUT)) from None
        except (ConnectError, DNSLookupError, UserError) as error:
            raise ArchiverError(f"the archiver cannot be reached: {error}") from None
        except ResponseFailed as error:
            # The agent fails with it after a timeout, too.
            if any(reason.check(CancelledError) for reason in error.reasons):
                raise ArchiverError(_TOO_LATE.format(TIMEOUT)) from None
            raise ArchiverError("the archiver closed the connection") from None

    async def _read(self, url: str) -> bytes:
        accepted = Headers({"Accept": ["application/json"]})
        response: IResponse = await self._agent.request(b"GET", url.encode(), accepted)
        # Also for an error: the connection can be used again only when the body was read.
        try:
            found = await Body(response, MAX_BYTES).done
        except BodyError as error:
            raise ArchiverError(f"the archiver {error}") from None
        if response.code == NOT_FOUND:
            # The PV is not archived.
            return b"[]"
        if response.code != OK:
            raise ArchiverError(f"the archiver answered with the HTTP status {response.code}")
        return found


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def _parsed(body: bytes) -> Samples:
    try:
        # Not orjson: the appliance writes NaN and Infinity as they are.
        found = json.loads(body)
        if not isinstance(found, list):
            raise TypeError("expected a list")
        return _columns([sample for stored in found for sample in _with_gaps(stored["data"])])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ArchiverError("the archiver's answer is invalid") from None


def _with_gaps(data: list[dict[str, Any]]) -> Iterator[_Sample]:
    """Yield the samples, and NaN where the archiver reports that it was not connected."""
    before: _Sample | None = None
    for stored in data:
        lost = stored.get("fields", {}).get("cnxlostepsecs")
        for sample in _of(stored):
            if before is not None and lost is not None:
                # 0: the archiver was restarted, and does not know when it had stopped.
                since = max(int(lost), before[0] + 1)
                if since < sample[0]:
                    yield since, 0, math.nan, len(SEVERITIES) - 1
            yield sample
            before = sample


def _of(stored: dict[str, Any]) -> Iterator[_Sample]:
    """Yield the samples in a stored sample: itself, or those of a bin."""
    value = stored["val"]
    # The values of a bin: mean, standard deviation, lowest, highest and number.
    values = [value] if not isinstance(value, list) else [value[2], value[3], value[0]]
    severity = min(max(int(stored.get("severity", 0)), 0), len(SEVERITIES) - 1)
    for each in values:
        number = math.nan if each is None else float(each)
        yield int(stored["secs"]), int(stored.get("nanos", 0)), number, severity


def _columns(samples: list[_Sample]) -> Samples:
    if not samples:
        return NO_SAMPLES
    seconds, nanoseconds, values, severities = zip(*samples, strict=True)
    return Samples(
        np.array(seconds, np.uint32),
        np.array(nanoseconds, np.uint32),
        np.array(values, np.float64),
        np.array(severities, np.uint32),
    )
