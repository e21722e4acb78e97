"""`/names`: PV names that match a part of a name, for suggestions in the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure
from twisted.web.server import Request

from pycawamp.pv.hub import PVHub
from pycawamp.web.answer_page import HTTPRequester, Reply
from pycawamp.web.channelfinder import ChannelFinder, ChannelFinderError
from pycawamp.web.name_index import NameIndex, NamePattern
from pycawamp.web.query import text_of
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

PART = "part"
GATEWAY = "gateway"
"""The source of names with open channels."""
MAX_PART = 100
"""Maximum characters of a part."""
MAX_FOUND = 500
"""Maximum number of names of each source that are checked."""
MAX_NAMES = 20
A_TOKEN = 1000
"""Names to search that count as one request."""
AN_INDEX_TOKEN = 100_000
"""Names in an index that count as one request."""
NAMES_PER_STEP = 200
"""Names that are checked before other clients are served."""


@attrs.frozen
class NameSources:
    """The sources of names."""

    channelfinder: ChannelFinder | None = None
    indexes: dict[str, Callable[[], Deferred[NameIndex]]] = attrs.Factory(dict)
    """Functions that return the names in files, by the name of the source."""


@attrs.frozen
class NamePage:
    """Returns names from all sources that the client may read, for `/names?part=TEXT`."""

    _hub: PVHub
    _sources: NameSources

    def __call__(self, request: Request, requester: HTTPRequester) -> Deferred[Reply]:
        """Return the response to a request.

        Raises:
            BadMessageError: The query is invalid.
        """
        text = _part(request.args)
        search = _Search(NamePattern.of(text), requester)
        requester.charge(len(self._hub) / A_TOKEN)
        cooperate = requester.clients.shared.cooperator.cooperate
        parts: list[Deferred[Any]] = [cooperate(search.carried(self._hub)).whenDone()]
        for source, index in self._sources.indexes.items():
            parts.append(index().addCallback(search.take_index, source))
        if self._sources.channelfinder is not None:
            asked = self._sources.channelfinder.find(text)
            parts.append(asked.addCallbacks(search.take_channels, search.failed))
        done = gatherResults(parts, consumeErrors=True)
        done.addCallback(lambda _: cooperate(search.choose()).whenDone())
        answer: Deferred[Reply] = done.addCallback(lambda _: Reply(dumps(search.content)))
        return answer


@attrs.define(eq=False)
class _Search:
    """A search: the names found, and those that the client may read."""

    _pattern: NamePattern
    _requester: HTTPRequester
    _found: dict[str, dict[str, str]] = attrs.Factory(lambda: {GATEWAY: {}})
    """The names and descriptions by source; the gateway's own are first."""
    _sources: dict[str, str] = attrs.Factory(dict)
    """The first source of each name."""
    _chosen: list[str] = attrs.Factory(list)
    _problem: str | None = None

    def carried(self, hub: PVHub) -> Iterator[None]:
        """Search the names with open channels; yields from time to time."""
        found = self._found[GATEWAY]
        for number, pv in enumerate(hub.pvs, 1):
            # A name that no IOC has may be a typing error; names with filters are not suggested.
            known = pv.described is not None and "{" not in pv.name
            if known and self._pattern.matches(pv.name):
                found[pv.name] = ""
            if len(found) >= MAX_FOUND:
                return
            if number % NAMES_PER_STEP == 0:
                yield

    def take_index(self, index: NameIndex, source: str) -> None:
        """Add matching names of an index."""
        self._requester.quota.requests.charge(len(index) / AN_INDEX_TOKEN)
        self._found[source] = dict(islice(index.matching(self._pattern), MAX_FOUND))

    def take_channels(self, channels: list[tuple[str, str]]) -> None:
        """Add the names found by ChannelFinder."""
        self._found["ChannelFinder"] = {
            name: description for name, description in channels if self._pattern.matches(name)
        }

    def failed(self, failure: Failure) -> None:
        """Record that ChannelFinder has not responded."""
        failure.trap(ChannelFinderError)
        self._problem = str(failure.value)

    def choose(self) -> Iterator[None]:
        """Choose the first names that the client may read; yields from time to time."""
        for source, found in self._found.items():
            for name in found:
                self._sources.setdefault(name, source)
        for number, name in enumerate(sorted(self._sources, key=self._pattern.place), 1):
            if self._requester.may_read(name):
                self._chosen.append(name)
            if len(self._chosen) >= MAX_NAMES:
                return
            if number % NAMES_PER_STEP == 0:
                yield

    @property
    def content(self) -> dict[str, Any]:
        """The response."""
        names = [
            {"name": name, "description": self._described(name), "source": self._sources[name]}
            for name in self._chosen
        ]
        return {"names": names} | ({} if self._problem is None else {"problem": self._problem})

    def _described(self, name: str) -> str:
        descriptions = (found.get(name, "") for found in self._found.values())
        return next(filter(None, descriptions), "")


def _part(parameters: Mapping[bytes, Any]) -> str:
    raw = parameters.get(PART.encode(), [])
    text = text_of(raw[0]).strip() if len(raw) == 1 else ""
    if not 1 <= len(text) <= MAX_PART:
        raise BadMessageError(
            "bad_request", f'expected "{PART}" with 1 to {MAX_PART} characters of a name'
        )
    return text
