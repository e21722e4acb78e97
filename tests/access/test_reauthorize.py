"""A policy that changes while clients are connected: applied in steps; the newest counts."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import IPolicy
from pycawamp.access.interfaces import Verdict
from pycawamp.sessions.session import Session
from tests.support.memory_gateway import MemoryGateway, Page

NAMES = [f"pv{number}" for number in range(200)]


@implementer(IPolicy)
class Changing:
    """Forbids names with a prefix, and counts the decisions."""

    def __init__(self) -> None:
        self.forbidden = "-"
        self.real_names: dict[str, str] = {}
        self.decisions = 0

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Decide."""
        self.decisions += 1
        may_read = not pv.startswith(self.forbidden)
        return Verdict(may_read, False, self.real_names.get(pv, pv), False, ())


class ReauthorizeTests(SynchronousTestCase):
    """Sessions.reauthorize."""

    def setUp(self) -> None:
        """Open three clients of the same page."""
        self.policy = Changing()
        self.gateway = MemoryGateway(self.policy)
        for name in NAMES:
            self.gateway.backend.add(name, 1)
        self.sessions: list[Session] = []
        self.pages = [self.page() for _ in range(3)]
        self.policy.decisions = 0

    def page(self) -> Page:
        """A client's page."""
        session, page = self.gateway.open()
        self.sessions.append(session)
        session.receive(json.dumps({"action": "connect", "pvs": NAMES}).encode())
        while session.is_busy:
            session.process_next()
        self.gateway.flush_cycle()
        page.take()
        return page

    def refused(self) -> list[list[str]]:
        """Return the PVs that each page has lost, and then those that are forbidden."""
        self.gateway.flush_cycle()
        found = []
        for page in self.pages:
            messages = page.take()
            names = [message["pvname"] for message in messages]
            received = [message.get("conn", message.get("code")) for message in messages]
            self.assertEqual(received, [False, "forbidden"] * (len(messages) // 2))
            self.assertEqual(names[::2], names[1::2])
            found.append(names[::2])
        return found

    def test_applied(self) -> None:
        """Subscriptions that are now forbidden end; clients of one kind need one decision."""
        self.policy.forbidden = "pv1"
        self.gateway.sessions.reauthorize()
        ended = [name for name in NAMES if name.startswith("pv1")]
        self.assertEqual(self.refused(), [ended] * 3)
        self.assertEqual(self.policy.decisions, len(NAMES))
        for name in NAMES:
            self.gateway.backend.set(name, 2)
        self.gateway.flush_cycle()
        shown = [message["pvname"] for message in self.pages[0].take()]
        self.assertEqual(shown, [name for name in NAMES if name not in ended])

    def test_alias_of_nothing(self) -> None:
        """A name that now stands for a PV that no IOC has is lost, until that appears."""
        self.policy.real_names["pv7"] = "other"
        self.gateway.sessions.reauthorize()
        self.gateway.flush_cycle()
        (lost,) = self.pages[0].take()
        self.assertEqual((lost["pvname"], lost["conn"]), ("pv7", False))
        self.gateway.backend.add("other", 5)
        self.gateway.flush_cycle()
        received = [message.get("conn", message.get("value")) for message in self.pages[0].take()]
        self.assertEqual(received, [True, 5])

    def test_lost_and_forbidden(self) -> None:
        """A slow client gets that a PV is lost, even if that happened while it was paused."""
        outbox = self.sessions[0].outbox
        outbox.pause()
        self.gateway.backend.remove("pv7")
        self.policy.forbidden = "pv7"
        self.gateway.sessions.reauthorize()
        self.gateway.flush_cycle()
        outbox.resume()
        self.gateway.flush_cycle()
        received = [message for message in self.pages[0].take() if message["pvname"] == "pv7"]
        self.assertEqual(
            [message.get("conn", message.get("code")) for message in received], [False, "forbidden"]
        )

    def test_nothing_at_once(self) -> None:
        """The call itself makes no decision: other clients are served between the steps."""
        self.policy.forbidden = "pv"
        self.gateway.sessions.reauthorize()
        self.assertEqual(self.policy.decisions, 0)

    def test_newest_counts(self) -> None:
        """A second change replaces the first, whose remaining steps are dropped."""
        self.policy.forbidden = "pv1"
        self.gateway.sessions.reauthorize()
        self.policy.forbidden = "pv2"
        self.gateway.sessions.reauthorize()
        ended = [name for name in NAMES if name.startswith("pv2")]
        self.assertEqual(self.refused(), [ended] * 3)

    def test_gateway_ends(self) -> None:
        """A reauthorization that has not finished when the gateway stops is dropped."""
        self.gateway.sessions.reauthorize()
        self.gateway.sessions.close()
        self.gateway.flush_cycle()
        self.assertEqual(self.policy.decisions, 0)
