"""One record by many names: each is a channel that gets all updates, so they are limited."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.names import modified_record
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.testing import WebSocketTestClient
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.ioc_case import subscription_counts
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request
from tests.support.version2_case import V2TestCase

RECORD = """
record(calc, "$(P)fast") { field(SCAN, ".1 second") field(CALC, "VAL+1") }
record(ao, "$(P)other") { field(PINI, "YES") }
"""


class ServedTests(V2TestCase):
    """A client with many names for one record, and the IOC."""

    @inlineCallbacks
    def test_filters(self) -> Any:
        """Of 300 filters on one record 50 are open; the record itself can still be opened."""
        ioc, fixture, client = yield self.start_all(RECORD)
        names = [f'{self.prefix}fast.{{"dbnd":{{"abs":{each}}}}}' for each in range(1, 301)]
        # In lists of 100, for which all errors are reported one by one.
        for start in range(0, 300, 100):
            client.send({"action": "connect", "pvs": names[start : start + 100]})
        client.send({"action": "connect", "pv": self.prefix + "fast"})
        yield client.until(msg_type="monitor", pvname=self.prefix + "fast")
        counts = yield subscription_counts(ioc)
        filtered = [name for name in counts if "dbnd" in name]
        self.assertEqual(len(filtered), 50)
        refused = [each for each in client.messages if each["msg_type"] == "error"]
        self.assertEqual({each["code"] for each in refused}, {"too_many_pvs"})
        self.assertEqual({each["pvname"] for each in refused}, set(names[50:]))
        self.assertIn(f"{self.prefix}fast", refused[0]["message"])
        for action in ("get", "info", "put"):
            reply = yield self.send_request(client, action, 'fast.{"dbnd":{"abs":1000}}', value=1)
            self.assertEqual(reply.get("code"), "too_many_pvs", reply)
        other: WebSocketTestClient = yield fixture.connect()
        value = yield self.value(other, 'other.{"dbnd":{"abs":1}}')
        self.assertEqual(value, 0)


class SpellingTests(SynchronousTestCase):
    """How names are counted together."""

    def begin(self, **limits: int) -> Callable[[str], Session]:
        """Make a gateway with these limits; return a function that adds a client at an address."""
        self.gateway = MemoryGateway(limits=Limits(**limits))
        self.pages: dict[Session, Page] = {}

        def open_client(host: str) -> Session:
            page = Page()
            session = self.gateway.sessions.open(page, Peer(host, host), VERSION_1)
            self.pages[session] = page
            return session

        return open_client

    def connect(self, session: Session, *names: str) -> list[str]:
        """Request PVs; return the names of those that are refused."""
        for name in names:
            self.gateway.backend.add(name, 1.0)
        session.receive(json.dumps({"action": "connect", "pvs": names}).encode())
        self.gateway.flush_cycle()
        received = self.pages[session].take()
        return [each["pvname"] for each in received if each.get("code") == "too_many_pvs"]

    def test_client(self) -> None:
        """Modifiers of each kind count together, for each record; plain names do not count."""
        session = self.begin(spellings=3)("192.0.2.1")
        names = ["X.{}", "X.[0:5]", "X.VAL$", "X.DESC$", 'X.VAL.{"dbnd":{}}', 'X.{"arr":{"s":0.5}}']
        self.assertEqual(self.connect(session, *names), ["X.DESC$", names[5]])
        plain = ["X", "X.VAL", "X.DESC", "Y.{}", "S{B:1}I", "S{B:2}I", "S{B:3}I", "S{B:4}"]
        self.assertEqual(self.connect(session, *plain, "X.{}"), [])

    def test_shared(self) -> None:
        """A name that others have open counts once for their address, and once in total."""
        open_client = self.begin(spellings=2, spellings_per_address=3, spellings_in_all=4)
        first, second, third = (open_client(f"192.0.2.{each}") for each in (1, 1, 2))
        self.assertEqual(self.connect(first, "X.[0:1]", "X.[0:2]"), [])
        self.assertEqual(self.connect(second, "X.[0:3]", "X.[0:4]"), ["X.[0:4]"])
        self.assertEqual(self.connect(second, "X.[0:1]"), [])
        self.assertEqual(self.connect(third, "X.[0:5]", "X.[0:1]"), [])
        self.assertEqual(self.connect(open_client("192.0.2.3"), "X.[0:6]"), ["X.[0:6]"])

    def test_left(self) -> None:
        """A name counts for its client while its channel lingers; then others may have it."""
        open_client = self.begin(spellings=1, spellings_in_all=2)
        first = open_client("192.0.2.1")
        self.assertEqual(self.connect(first, "X.[0:1]"), [])
        send_request(first, "disconnect", "X.[0:1]")
        self.assertEqual(self.connect(first, "X.[0:2]"), ["X.[0:2]"])
        self.gateway.advance(LINGER)
        self.assertEqual(self.connect(first, "X.[0:2]"), [])
        for each in range(3, 9):
            coming = open_client("192.0.2.2")
            self.assertEqual(self.connect(coming, f"X.[0:{each}]"), [])
            coming.close()
        self.assertLessEqual(len(self.gateway.hub), 2)

    def test_record(self) -> None:
        """The record of a name with modifiers."""
        for name, record in (
            ("X", None),
            ("X.VAL", None),
            ("X.", None),
            ("S{B:1}I", None),
            ("S{B:1}", None),
            ("S{B:1}I.[1:2]", "S{B:1}I"),
            ("X.VAL$", "X"),
            ("X.$", "X"),
            ('X.{"dbnd":{"abs":0.5}}', "X"),
            ("a.b.c", None),
        ):
            self.assertEqual(modified_record(name), record, name)
