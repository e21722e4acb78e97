"""Options of a PV that is requested again while a changed policy forbids it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import IPolicy
from pycawamp.access.interfaces import Verdict
from tests.support.memory_gateway import MemoryGateway, send_request


@implementer(IPolicy)
class Switch:
    """Allows reading, or forbids it."""

    allows = True

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Decide."""
        return Verdict(self.allows, False, pv, False, ())


class ForbiddenOptionsTests(SynchronousTestCase):
    """A subscription that a policy ends, and a later one allows."""

    def setUp(self) -> None:
        """Make a client that has subscribed to a PV without options."""
        self.policy = Switch()
        self.gateway = MemoryGateway(self.policy)
        self.gateway.backend.add("a", 1)
        self.session, self.page = self.gateway.open()
        self.connect()

    def connect(self, **options: Any) -> list[Any]:
        """Connect; return what the client gets."""
        send_request(self.session, "connect", "a", **options)
        return self.received()

    def allow(self, allows: bool) -> list[Any]:
        """Change the policy; return what the client gets."""
        self.policy.allows = allows
        self.gateway.sessions.reauthorize()
        return self.received()

    def received(self) -> list[Any]:
        """Return the messages since the last call, as conn, code or text."""
        self.gateway.flush_cycle()
        keys = ("conn", "code", "text")
        return [
            next((message[key] for key in keys if key in message), None)
            for message in self.page.take()
        ]

    def test_restored(self) -> None:
        """The subscription is restored with the options of the last request."""
        self.assertEqual(self.allow(False), [False, "forbidden"])
        self.assertEqual(self.connect(text=True), ["forbidden"])
        self.assertEqual(self.allow(True), [True, "1"])

    def test_before_reauthorization(self) -> None:
        """A request that the new policy refuses ends the subscription, before it is checked."""
        self.policy.allows = False
        self.assertEqual(self.connect(text=True), [False, "forbidden"])
        self.assertEqual(self.allow(False), [])
        self.assertEqual(self.allow(True), [True, "1"])

    def test_refused_at_first(self) -> None:
        """A PV that was never allowed is not restored."""
        send_request(self.session, "disconnect", "a")
        self.policy.allows = False
        self.assertEqual(self.connect(text=True), ["forbidden"])
        self.assertEqual(self.allow(True), [])
