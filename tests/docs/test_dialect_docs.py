"""docs/pvws.md and docs/epics2web.md: every example in them is played against a live gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.access import IPolicy, Policy
from pycawamp.demo.process import DemoIOC
from pycawamp.testing import WebSocketTestClient
from pycawamp.wire import epics2web, pvws
from tests.support.dialect_case import DialectTestCase
from tests.support.version2_case import ANYONE

DOCS = Path(__file__).absolute().parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)(?: ([\w-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STAMP = re.compile(r'"seconds":\d+,"nanos":\d+')


@attrs.frozen
class Example:
    """A conversation; each of its lines begins with an arrow."""

    where: str
    policy: IPolicy
    lines: tuple[str, ...]


def examples(dialect: str) -> list[Example]:
    """The conversations of a page."""
    page = DOCS / f"{dialect}.md"
    text = page.read_text()
    return [
        Example(
            f"{page.name}:{text[: block.start()].count(chr(10)) + 1}",
            Policy() if block[2] == "read-only" else ANYONE,
            tuple(re.sub(r"\n +", "", block[3]).splitlines()),
        )
        for block in BLOCK.finditer(text)
        if block[1] == dialect
    ]


def fixed(message: str) -> str:
    """Return a message without what differs from run to run."""
    return STAMP.sub('"seconds":S,"nanos":N', message)


class DialectPageTests(DialectTestCase):
    """The examples, against the demo's records."""

    @inlineCallbacks
    def play(
        self, example: Example, client: WebSocketTestClient
    ) -> Generator[Deferred[Any], Any, None]:
        """Send the client's messages, and compare what is received."""
        for line in example.lines:
            if line.startswith("→ "):
                client.send(line[2:])
                continue
            self.assertTrue(line.startswith("← "), line)
            yield client.receive()
            came = client.payloads[client.position - 1].decode()
            self.assertEqual(fixed(came), fixed(line[2:]), example.where)

    @inlineCallbacks
    def play_page(self, dialect: str, path: str) -> Generator[Deferred[Any], Any, None]:
        """Play all examples of a page."""
        demo = DemoIOC(reactor, self.ports)
        ready = demo.when_up()
        demo.startService()
        self.addCleanup(demo.stopService)
        ioc = yield ready
        self.path = path
        for example in examples(dialect):
            self.policy = example.policy
            for name, value in (("demo:setpoint", "21.5"), ("demo:text", "Grüezi from EPICS")):
                yield ioc.query(f'dbpf("{name}","{value}")')
            fixture = yield self.start_gateway()
            client = yield fixture.connect(path=path)
            yield self.play(example, client)
            yield fixture.stop()

    def test_pvws(self) -> Any:
        """Each example of docs/pvws.md has the messages of the page."""
        return self.play_page("pvws", "pvws/pv")

    def test_epics2web(self) -> Any:
        """Each example of docs/epics2web.md has the messages of the page."""
        return self.play_page("epics2web", "epics2web/monitor")

    def test_complete(self) -> None:
        """Each type of message has an example."""
        for dialect, types in (
            ("pvws", {*pvws.TYPES, "update", "error"} - {"ping", "monitor"}),
            ("epics2web", {*epics2web.TYPES, "info", "update", "pong"}),
        ):
            lines = [line[2:] for example in examples(dialect) for line in example.lines]
            self.assertEqual({json.loads(line)["type"] for line in lines}, types)
