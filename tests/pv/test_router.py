"""Schemes of PV names: which backend serves a name, and what rules and logs use."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import Policy
from pycawamp.access.interfaces import IPolicy, Verdict
from pycawamp.fanout.flush import FlushCycle
from pycawamp.pv.hub import PVHub
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.router import PVName, Router, UnknownSchemeError
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.putlog import PutLog
from pycawamp.sessions.registry import Sessions
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.memory_gateway import Page, SteppingReactor


@implementer(IPolicy)
class RecordingPolicy:
    """Allows everything, and records the names."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.denied = ""
        self._policy = Policy()

    def decide(self, user: str | None, host: str, host_name: str | None, name: str) -> Verdict:
        """Allow it."""
        self.names.append(name)
        if name == self.denied:
            return Verdict(False, False, name, False, ())
        return self._policy.decide(user, host, host_name, name)


class ParseTests(SynchronousTestCase):
    """Parsed names."""

    def setUp(self) -> None:
        """Have two schemes."""
        self.router = Router({"ca": MemoryBackend(), "toy": MemoryBackend()}, default="ca")

    def test_names(self) -> None:
        """A scheme is the part before ://, in any case; the rest is the name."""
        parse = self.router.parse
        self.assertEqual(parse("X"), PVName("ca", "X", "X"))
        self.assertEqual(parse("CA://X"), PVName("ca", "X", "X"))
        self.assertEqual(parse("toy://a://b"), PVName("toy", "a://b", "a://b"))
        self.assertEqual(parse("X:/Y"), PVName("ca", "X:/Y", "X:/Y"))
        self.assertEqual(parse("://X"), PVName("ca", "://X", "://X"))

    def test_channels(self) -> None:
        """The default scheme is not part of a channel's name."""
        self.assertEqual(self.router.channel_name("ca", "X"), "X")
        self.assertEqual(self.router.channel_name("toy", "X"), "toy://X")

    def test_unknown(self) -> None:
        """The error lists the known schemes."""
        error = self.assertRaises(UnknownSchemeError, self.router.parse, "pvx://X")
        self.assertEqual(str(error), "unknown scheme pvx://; expected one of ca://, toy://")

    def test_two_schemes(self) -> None:
        """Without the default scheme, they would be the name of another channel."""
        for name in ("ca://toy://X", "CA://Toy://X", "ca://pvx://X", "ca://ca://X"):
            error = self.assertRaises(UnknownSchemeError, self.router.parse, name)
            self.assertIn("expected a name without another scheme after ca://", str(error))
        own = MemoryBackend()
        router = Router({"ca": MemoryBackend(), "eq": own}, default="ca", own=["eq"])
        self.assertEqual(router.parse("=X"), PVName("eq", "X", "eq://X"))
        self.assertRaises(UnknownSchemeError, router.parse, "ca://=X")
        self.assertEqual(self.router.parse("ca://=X"), PVName("ca", "=X", "=X"))


class SessionTests(SynchronousTestCase):
    """Clients that use schemes."""

    def setUp(self) -> None:
        """Serve one name in two schemes, with different values."""
        clock = SteppingReactor()
        self.clock = clock
        self.ca, self.toy = MemoryBackend(), MemoryBackend()
        self.ca.add("X", 1)
        self.toy.add("X", 2)
        router = Router({"ca": self.ca, "toy": self.toy}, default="ca")
        hub = self.hub = PVHub(clock, router)
        hub.startService()
        self.policy = RecordingPolicy()
        sessions = Sessions(
            clock, hub, router, FlushCycle(clock), policy=self.policy, put_log=PutLog(None)
        )
        self.page = Page()
        self.session = sessions.open(self.page, Peer("test"), VERSION_1)

    def send_request(self, **request: Any) -> list[Any]:
        """Send a request, and return what the client gets."""
        self.session.receive(json.dumps(request).encode())
        self.clock.flush_cycle()
        return self.page.take()

    def test_one_channel(self) -> None:
        """X and ca://X are one channel; messages have the requested name."""
        received = self.send_request(action="connect", pvs=["X", "ca://X"])
        values = {
            each["pvname"]: each["value"] for each in received if each["msg_type"] == "monitor"
        }
        self.assertEqual(values, {"X": 1, "ca://X": 1})
        self.assertEqual(self.hub.names, ["X"])

    def test_other_backend(self) -> None:
        """Another scheme is another channel; rules use the same name."""
        received = self.send_request(action="connect", pvs=["X", "toy://X"])
        values = {
            each["pvname"]: each["value"] for each in received if each["msg_type"] == "monitor"
        }
        self.assertEqual(values, {"X": 1, "toy://X": 2})
        self.assertEqual(set(self.policy.names), {"X"})

    def test_unknown(self) -> None:
        """An unknown scheme is a bad name; others are served."""
        received = self.send_request(action="connect", pvs=["what://X", "X"], id=1)
        (error,) = [each for each in received if each["msg_type"] == "error"]
        self.assertEqual((error["code"], error["pvname"]), ("bad_name", "what://X"))
        self.assertIn("ca://, toy://", error["message"])
        self.assertIn("monitor", [each["msg_type"] for each in received])

    def test_no_way_around(self) -> None:
        """Rules for a name apply whatever number of schemes precede it."""
        self.policy.denied = "X"
        received = []
        for name in ("X", "ca://X", "toy://X", "ca://toy://X", "ca://ca://X"):
            (answer,) = self.send_request(action="get", pv=name)
            received.append(answer["code"])
        self.assertEqual(received, ["forbidden"] * 3 + ["bad_name"] * 2)

    def test_get(self) -> None:
        """Single requests use the scheme too."""
        (answer,) = self.send_request(action="get", pv="toy://X", id=1)
        self.assertEqual((answer["pvname"], answer["value"]), ("toy://X", 2))
