"""A client of ChannelFinder, a directory of PVs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from pycawamp.pv.http_body import Body, BodyError
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import loads

CONNECT_TIMEOUT = 2.0
TIMEOUT = 3.0
"""Seconds until a request fails."""
MAX_CHANNELS = 100
"""Maximum number of channels per request."""
MAX_BYTES = 2**21
"""Maximum bytes of a response."""
MAX_REQUESTS = 4
"""Maximum number of simultaneous requests."""
KEPT = 200
"""Maximum number of cached responses."""
FRESH = 30.0
"""Seconds for which responses are cached."""
_SEPARATORS = frozenset("|,;")
"""Separators of names in a query, which a part of a name cannot contain."""
_DESCRIPTION = "recordDesc"
"""The property in which RecCeiver stores DESC."""


class ChannelFinderError(Exception):
    """ChannelFinder did not answer; the text is the reason."""


class ChannelFinder:
    """Searches PV names with a ChannelFinder service, and caches its responses.

    `url` is that of the service, such as `http://cf.example.org:8080/ChannelFinder`.
    """

    _log = Logger()

    def __init__(self, reactor: Any, url: str) -> None:
        self._reactor = reactor
        path = urlsplit(url).path.rstrip("/")
        self._url = url.rstrip("/") + ("" if path else "/ChannelFinder") + "/resources/channels"
        self._pool = HTTPConnectionPool(reactor)
        self._agent = Agent(reactor, connectTimeout=CONNECT_TIMEOUT, pool=self._pool)
        self._under_way = 0
        self._answers: OrderedDict[str, tuple[float, list[tuple[str, str]]]] = OrderedDict()
        self._fails = False

    def find(self, text: str) -> Deferred[list[tuple[str, str]]]:
        """Return a Deferred of names with their descriptions.

        It fails with ChannelFinderError if the service does not answer.
        """
        done: Deferred[list[tuple[str, str]]] = Deferred()
        if _SEPARATORS & set(text):
            done.callback([])
            return done
        kept = self._answers.get(text)
        if kept is not None and self._reactor.seconds() - kept[0] < FRESH:
            done.callback(kept[1])
            return done
        if self._under_way >= MAX_REQUESTS:
            done.errback(ChannelFinderError("too many requests to ChannelFinder at once"))
            return done
        self._under_way += 1
        found = Deferred.fromCoroutine(self._request(text)).addTimeout(TIMEOUT, self._reactor)
        return found.addBoth(self._answered, text)

    def close(self) -> Deferred[None]:
        """Close the connections."""
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def _request(self, text: str) -> list[tuple[str, str]]:
        name = quote(f"*{text}*", safe="*")
        url = f"{self._url}?~name={name}&~size={MAX_CHANNELS}"
        headers = Headers({"Accept": ["application/json"], "User-Agent": ["pycaserver"]})
        response = await self._agent.request(b"GET", url.encode(), headers)
        try:
            body = await Body(response, MAX_BYTES).done
        except BodyError as error:
            raise ChannelFinderError(f"it {error}") from None
        if response.code != 200:
            raise ChannelFinderError(f"it answered {response.code}")
        return list(_channels(body))

    def _answered(self, result: Any, text: str) -> Any:
        self._under_way -= 1
        if isinstance(result, Failure):
            reason = result.getErrorMessage() or repr(result.value)
            if not self._fails:
                self._log.warn("ChannelFinder does not answer: {reason}", reason=reason)
            self._fails = True
            raise ChannelFinderError("ChannelFinder does not answer")
        if self._fails:
            self._log.info("ChannelFinder answers again")
        self._fails = False
        self._answers[text] = (self._reactor.seconds(), result)
        self._answers.move_to_end(text)
        if len(self._answers) > KEPT:
            self._answers.popitem(last=False)
        return result


def _channels(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        channels = loads(body)
    except BadMessageError as mistake:
        raise ChannelFinderError(f"its answer is {mistake.message}") from None
    if not isinstance(channels, list):
        raise ChannelFinderError("its answer is not a list of channels")
    for channel in channels[:MAX_CHANNELS]:
        name = channel.get("name") if isinstance(channel, dict) else None
        if isinstance(name, str) and name:
            yield name, _description(channel.get("properties"))


def _description(properties: Any) -> str:
    for each in properties if isinstance(properties, list) else ():
        if isinstance(each, dict) and each.get("name") == _DESCRIPTION:
            return str(each.get("value") or "")
    return ""
