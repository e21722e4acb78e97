"""The option `reason`: why a PV is not connected, for clients that request it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import AccessFiles, Policy
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.access.watch import PolicyWatcher
from pycawamp.config.settings import GatewaySettings
from pycawamp.sessions.peer import Peer
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import CONNECT_TIMEOUT, MemoryGateway, Page, send_request
from tests.support.version2_case import V2TestCase

RECORDS = 'record(ao, "$(P)x") { field(VAL, "1") field(PINI, "YES") }\n'


class ReasonTests(SynchronousTestCase):
    """Over in-memory PVs."""

    def setUp(self) -> None:
        """Make two clients, one of which requests reasons."""
        self.gateway = MemoryGateway()
        self.gateway.backend.add("X", 1.5)
        (self.with_reasons, self.page), (self.other, self.other_page) = (
            self.gateway.open(),
            self.gateway.open(),
        )

    def received(self, name: str, **options: Any) -> tuple[list[Any], list[Any]]:
        """Return what both get for a PV."""
        send_request(self.with_reasons, "connect", name, reason=True, **options)
        send_request(self.other, "connect", name, **options)
        self.gateway.advance(CONNECT_TIMEOUT)
        self.gateway.flush_cycle()
        return self.page.take(), self.other_page.take()

    def test_not_found(self) -> None:
        """A PV that is not found has the time when the search began."""
        (message,), (plain,) = self.received("nowhere")
        reason = message.pop("reason")
        self.assertEqual(message, plain)
        self.assertRegex(reason, r"^no IOC has answered since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")

    def test_connected(self) -> None:
        """A PV that is connected has no reason."""
        received, plain = self.received("X")
        self.assertEqual(received, plain)

    def test_refused(self) -> None:
        """The text of an IOC that refuses is part of the reason."""
        self.received("X")
        (handle,) = self.gateway.backend.handles
        handle.sink.refused("no such luck")
        self.gateway.flush_cycle()
        message = self.page.take()[0]
        self.assertIn("refuses", message["reason"])
        self.assertIn("no such luck", message["reason"])
        self.assertNotIn("reason", self.other_page.take()[0])

    def test_configured(self) -> None:
        """Like any option, it can be set for all later requests."""
        self.with_reasons.receive(b'{"action":"configure","reason":true}')
        send_request(self.with_reasons, "connect", "nowhere")
        self.gateway.advance(CONNECT_TIMEOUT)
        self.gateway.flush_cycle()
        configured, message = self.page.take()
        self.assertIs(configured["reason"], True)
        self.assertIn("reason", message)


PVLIST = """EVALUATION ORDER ALLOW, DENY
.* ALLOW
SECRET.* ALLOW SECRETS 1
HIDDEN.* DENY FROM 192.0.2.1 host.example
"""
ACF = "UAG(ops) { mary } ASG(DEFAULT) { RULE(1,READ) } ASG(SECRETS) { RULE(1,READ) { UAG(ops) } }"


class RuleTests(SynchronousTestCase):
    """What access rules refuse."""

    def setUp(self) -> None:
        """Make access files, one client that requests reasons, and one that does not."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for name, text in (("site.pvlist", PVLIST), ("site.acf", ACF)):
            (folder / name).write_text(text)
        files = AccessFiles(pvlist=folder / "site.pvlist", access=folder / "site.acf")
        self.policy = PolicyWatcher(files, Clock())
        self.gateway = MemoryGateway(self.policy)
        self.gateway.backend.add("X", 1.5)
        self.page, self.other_page = Page(), Page()
        self.with_reasons, self.other = (
            self.gateway.sessions.open(page, Peer("test", "192.0.2.1"), VERSION_1)
            for page in (self.page, self.other_page)
        )
        self.with_reasons.receive(b'{"action":"configure","reason":true}')
        self.gateway.flush_cycle()
        self.page.take()

    def received(self, name: str) -> tuple[list[Any], list[Any]]:
        """Return what both get when they request a PV."""
        for session in (self.with_reasons, self.other):
            send_request(session, "connect", name)
        self.gateway.flush_cycle()
        return self.page.take(), self.other_page.take()

    def test_refused(self) -> None:
        """The reason has the file and line of the rule, but neither its folder nor its hosts."""
        for name, rule in (
            ("HIDDEN:1", "site.pvlist:4: DENY"),
            ("SECRET:1", "site.acf: no RULE of ASG(SECRETS) applies"),
        ):
            (connection, error), plain = self.received(name)
            expected = f"the access rules do not let you read it ({rule})"
            self.assertEqual(
                connection,
                {"msg_type": "connection", "pvname": name, "conn": False, "reason": expected},
            )
            self.assertEqual((error["code"], plain), ("forbidden", [error]))

    def test_ended(self) -> None:
        """If a new policy ends a subscription, the message has the rule."""
        self.received("X")
        self.policy.accept(Policy(parse_pvlist("A ALLOW\n", "/etc/new.pvlist")))
        self.gateway.sessions.reauthorize()
        self.gateway.advance(1)
        connection, error = self.page.take()
        self.assertIn("(new.pvlist: no ALLOW or ALIAS line matches)", connection["reason"])
        self.assertEqual(error["code"], "forbidden")
        plain = self.other_page.take()
        self.assertEqual(plain[0], {"msg_type": "connection", "pvname": "X", "conn": False})


class RealReasonTests(V2TestCase):
    """With Channel Access."""

    @inlineCallbacks
    def test_lost(self) -> Any:
        """For a PV whose IOC died, the reason has the IOC and the time."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway(GatewaySettings(connect_timeout=1))
        client = yield fixture.connect()
        client.send({"action": "connect", "pv": f"{self.prefix}x", "reason": True})
        yield client.until(msg_type="monitor")
        yield self.kill_ioc(ioc)
        message = yield client.until(msg_type="connection", conn=False)
        self.assertRegex(message["reason"], r"^the IOC localhost:\d+ was lost at \d{4}-")
