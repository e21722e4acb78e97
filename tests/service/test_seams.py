"""A backend and a dialect from outside the product, on a real gateway and real sockets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from pycawamp.access import Policy, Writers
from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from pycawamp.wire.dialect import Encoding
from tests.support import toy_backend, toy_dialect
from tests.support.terse_dialect import Terse
from tests.support.toy_backend import CountingBackend
from tests.support.toy_dialect import Arrays


class ToyTests(SynchronousTestCase):
    """The backend and the dialect."""

    def test_size(self) -> None:
        """Each has less than 60 lines."""
        for module in (toy_backend, toy_dialect):
            self.assertLess(len(Path(str(module.__file__)).read_text().splitlines()), 60)


class SeamTests(TestCase):
    """A gateway with count:// PVs, and the dialect of arrays in addition to its own."""

    @inlineCallbacks
    def setUp(self) -> Generator[Deferred[Any], Any, None]:  # type: ignore[override]
        """Serve both dialects."""
        memory = MemoryBackend()
        memory.add("X", 1.5)
        self.fixture = GatewayFixture(
            reactor,
            GatewaySettings(linger=0.01),
            backend=memory,
            policy=Policy(puts=True, writers=Writers.ANYONE),
            backends={"count": lambda _reactor, _inbox: CountingBackend()},
        )
        self.addCleanup(self.fixture.stop)
        root = Resource()
        root.putChild(b"monitor", self.fixture.gateway.resource)
        root.putChild(b"arrays", self.fixture.gateway.resource_for(Encoding(Arrays())))
        root.putChild(b"terse", self.fixture.gateway.resource_for(Encoding(Terse(), max_rate=1000)))
        yield self.fixture.start(root)

    @inlineCallbacks
    def connect(self, path: str) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Open a WebSocket."""
        client: WebSocketTestClient = yield self.fixture.connect(path=path)
        return client

    @inlineCallbacks
    def test_backend(self) -> Generator[Deferred[Any], Any, None]:
        """A PV of another backend is monitored, read, described and written like any other."""
        client = yield self.connect("monitor")
        client.send({"action": "connect", "pv": "count://100"})
        first = yield client.until(msg_type="monitor")
        self.assertEqual(first["pvname"], "count://100")
        client.send({"action": "put", "pv": "count://100", "value": 5000})
        yield client.until(msg_type="put", ok=True)
        yield client.until(lambda received: received.get("value", 0) > 5000)
        client.send({"action": "put", "pv": "count://100", "value": "much"})
        error = yield client.until(msg_type="error")
        self.assertEqual(
            (error["code"], error["message"]), ("bad_value", "expected a whole number")
        )
        client.send({"action": "info", "pv": "count://7"})
        info = yield client.until(msg_type="metadata")
        self.assertEqual(info["type"], "long")

    @inlineCallbacks
    def test_dialect(self) -> Generator[Deferred[Any], Any, None]:
        """Clients of another dialect get the same PVs, beside clients of the gateway's own."""
        arrays = yield self.connect("arrays")
        objects = yield self.connect("monitor")
        for client, request in (
            (arrays, ["show", "X"]),
            (objects, {"action": "connect", "pv": "X"}),
        ):
            client.send(request)
        first = yield arrays.receive()
        self.assertEqual(first, ["X", 1.5])
        arrays.send(["set", "X", 2.5])
        yield objects.until(msg_type="monitor", value=2.5)
        second = yield arrays.receive()
        self.assertEqual(second, ["X", 2.5])
        arrays.send(["set", "X"])
        error = yield arrays.receive()
        self.assertEqual(error[0], "error")

    @inlineCallbacks
    def test_terse_dialect(self) -> Generator[Deferred[Any], Any, None]:
        """The properties of a dialect are used."""
        client = yield self.connect("terse")
        client.send(["set", "X", 1])
        client.send(["nonsense"])
        for _ in range(2):
            client.send(["show", "X"])
        client.send(["say", "hello"])
        first = yield client.receive()
        second = yield client.receive()
        self.assertEqual([first, second], [["X", 1.5], ["say", "hello"]])
        counts = self.fixture.gateway.refusals.counts
        self.assertEqual((counts["terse: not_connected"], counts["terse: bad_request"]), (1, 1))
        client.send(["set", "X", 2])
        third = yield client.receive()
        self.assertEqual(third, ["X", 4])
        pinged: Deferred[bytes] = Deferred()
        client.protocol.onPing = pinged.callback
        client.send(["ping"])
        yield pinged
        client.send(["show", "nowhere"])
        received = yield client.receive()
        self.assertEqual(received, ["nowhere", "not found"])
