"""A ChannelFinder server: the search of its REST interface, according to its documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

OWNER = "cf-channels"


class Channels(Resource):
    """`GET /ChannelFinder/resources/channels?~name=PATTERN&~size=N`.

    `~name` has patterns with `*` and `?`, separated by `|`, `,` or `;`. Other parameters that
    start with `~` are for paging; those that do not are names of properties.
    """

    isLeaf = True

    def __init__(self, descriptions: Mapping[str, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.descriptions = descriptions
        self.requests: list[bytes] = []
        """The URIs of the requests."""
        self.answer: tuple[int, bytes] | None = None
        """The response to every request; None: the requested samples."""
        self.held: list[Request] | None = None
        """The requests that are not answered, if there are to be some."""

    def render_GET(self, request: Request) -> Any:
        """Respond to a search."""
        self.requests.append(request.uri)
        if self.held is not None:
            self.held.append(request)
            return NOT_DONE_YET
        request.setHeader("content-type", "application/json")
        if self.answer is not None:
            request.setResponseCode(self.answer[0])
            return self.answer[1]
        pattern = request.args[b"~name"][0].decode()
        size = int(request.args.get(b"~size", [b"10000"])[0])
        found = [_channel(*pair) for pair in self.descriptions.items() if _is(pair[0], pattern)]
        return json.dumps(found[:size]).encode()

    def listen(self, reactor: Any) -> Deferred[IListeningPort]:
        """Serve at the path of the service; fires with the port."""
        root, service, resources = Resource(), Resource(), Resource()
        root.putChild(b"ChannelFinder", service)
        service.putChild(b"resources", resources)
        resources.putChild(b"channels", self)
        site = Site(root)
        site.noisy = False
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        return cast("Deferred[IListeningPort]", endpoint.listen(site))


def _is(name: str, pattern: str) -> bool:
    for separator in ",;":
        pattern = pattern.replace(separator, "|")
    return any(fnmatchcase(name, each) for each in pattern.split("|"))


def _channel(name: str, description: str) -> dict[str, Any]:
    properties = {"hostName": "ioc1", "iocName": "IOC", "pvStatus": "Active"}
    if description:
        properties["recordDesc"] = description
    return {
        "name": name,
        "owner": OWNER,
        "properties": [
            {"name": key, "owner": OWNER, "value": value, "channels": []}
            for key, value in properties.items()
        ],
        "tags": [],
    }
