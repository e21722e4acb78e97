"""`/names`: the names of PVs that have a part, for the console to offer while one types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.python.failure import Failure
from twisted.web.server import Request

from pycawamp.pv.hub import PVHub
from pycawamp.web.answer_page import Asker, Reply
from pycawamp.web.channelfinder import ChannelFinder, ChannelFinderError
from pycawamp.web.name_index import NameIndex, Pattern
from pycawamp.web.query import text_of
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.codec import dumps

PART = "part"
GATEWAY = "gateway"
"""The source of names that the gateway carries."""
MOST_PART = 100
"""Characters of a part."""
MOST_FOUND = 500
"""Names of each source that are looked at."""
MOST_TOLD = 20
A_TOKEN = 1000
"""Names to search that cost as much as a request."""
AN_INDEX_TOKEN = 100_000
"""The same of names in an index."""
AT_ONCE = 200
"""Names that are looked at before others have their turn."""


@attrs.frozen
class Sources:
    """Where names come from."""

    channelfinder: ChannelFinder | None = None
    indexes: dict[str, Callable[[], Deferred[NameIndex]]] = attrs.Factory(dict)
    """What returns the names of files, by what the files are."""


@attrs.frozen
class NamePage:
    """Answers `/names?part=TEXT`: names that the client may read, from all sources."""

    _hub: PVHub
    _sources: Sources

    def __call__(self, request: Request, asker: Asker) -> Deferred[Reply]:
        """Answer a request; BadMessageError for a bad query."""
        text = _part(request.args)
        search = _Search(Pattern.of(text), asker)
        asker.charge(len(self._hub) / A_TOKEN)
        cooperate = asker.clients.shared.cooperator.cooperate
        parts: list[Deferred[Any]] = [cooperate(search.carried(self._hub)).whenDone()]
        for source, index in self._sources.indexes.items():
            parts.append(index().addCallback(search.take_index, source))
        if self._sources.channelfinder is not None:
            asked = self._sources.channelfinder.find(text)
            parts.append(asked.addCallbacks(search.take_channels, search.failed))
        done = gatherResults(parts, consumeErrors=True)
        done.addCallback(lambda _: cooperate(search.choose()).whenDone())
        answer: Deferred[Reply] = done.addCallback(lambda _: Reply(dumps(search.told)))
        return answer


@attrs.define(eq=False)
class _Search:
    """One search: what was found, and what of it the client may know."""

    _pattern: Pattern
    _asker: Asker
    _found: dict[str, dict[str, str]] = attrs.Factory(lambda: {GATEWAY: {}})
    """The names and descriptions, by source; the gateway's own come first."""
    _sources: dict[str, str] = attrs.Factory(dict)
    """The first source of each name."""
    _chosen: list[str] = attrs.Factory(list)
    _problem: str | None = None

    def carried(self, hub: PVHub) -> Iterator[None]:
        """Search the PVs that the gateway carries; yields now and then."""
        found = self._found[GATEWAY]
        for number, pv in enumerate(hub.pvs, 1):
            # What no IOC has is somebody's slip; what has a filter is no name to offer.
            known = pv.described is not None and "{" not in pv.name
            if known and self._pattern.matches(pv.name):
                found[pv.name] = ""
            if len(found) >= MOST_FOUND:
                return
            if number % AT_ONCE == 0:
                yield

    def take_index(self, index: NameIndex, source: str) -> None:
        """Search the names of a file."""
        self._asker.quota.requests.charge(len(index) / AN_INDEX_TOKEN)
        self._found[source] = dict(islice(index.matching(self._pattern), MOST_FOUND))

    def take_channels(self, channels: list[tuple[str, str]]) -> None:
        """Take what ChannelFinder has found."""
        self._found["ChannelFinder"] = {
            name: description for name, description in channels if self._pattern.matches(name)
        }

    def failed(self, failure: Failure) -> None:
        """Remember that ChannelFinder has not answered."""
        failure.trap(ChannelFinderError)
        self._problem = str(failure.value)

    def choose(self) -> Iterator[None]:
        """Choose the first names that the client may read; yields now and then."""
        for source, found in self._found.items():
            for name in found:
                self._sources.setdefault(name, source)
        for number, name in enumerate(sorted(self._sources, key=self._pattern.place), 1):
            if self._asker.may_read(name):
                self._chosen.append(name)
            if len(self._chosen) >= MOST_TOLD:
                return
            if number % AT_ONCE == 0:
                yield

    @property
    def told(self) -> dict[str, Any]:
        """What is answered."""
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
    if not 1 <= len(text) <= MOST_PART:
        raise BadMessageError(
            "bad_request", f'expected "{PART}" with 1 to {MOST_PART} characters of a name'
        )
    return text
