"""A server whose messages have wrong counts, types and states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from pycawamp.pv.ca import _fast
from pycawamp.pv.ca.dbr import DBR_TYPES
from pycawamp.pv.values import FieldType
from pycawamp.testing import WebSocketTestClient
from tests.support.lying_ca_server import (
    EVENT_ADD,
    READ_NOTIFY,
    TIME,
    WRITE_NOTIFY,
    CAServer,
    LyingPV,
    Request,
    control_bytes,
    time_bytes,
)
from tests.support.twistd import Twistd
from tests.support.twistd_case import LOOPBACK, TwistdTestCase
from tests.support.version2_case import kinds, like, send_request

GETFAIL, PUTFAIL, NORDACCESS = 152, 160, 368
UNKNOWN_STATUS = 0x7FFFFFF0
DOUBLE, SHORT, CHAR, STRING, ENUM, LONG = (
    FieldType.DOUBLE,
    FieldType.SHORT,
    FieldType.CHAR,
    FieldType.STRING,
    FieldType.ENUM,
    FieldType.LONG,
)
ONE = time_bytes(DOUBLE, 1.0)
ZEROS = bytes(500)
LABEL = b"on".ljust(26, b"\0")
TYPES = {"short": TIME + 1, "plain": 6, "control": TIME + 14, "acknowledge": 36}
"""DBR types that PVs send in reply to a request for DBR_TIME_DOUBLE."""


def replying(payload: bytes, control: bytes = ZEROS, **more: Any) -> Callable[[Request], None]:
    """Answer each request for the value with a payload, those for metadata with another."""

    def answer(request: Request) -> None:
        if request.is_control:
            request.answer(control)
        else:
            request.answer(payload, **more)

    return answer


class LyingServerTestCase(TwistdTestCase):
    """Tests with such a server, and a gateway in its own process, as it may crash."""

    def serve(self, **pvs: LyingPV) -> CAServer:
        """Run a server with these PVs, and a correct one."""
        server = CAServer(reactor, self.ports, good=LyingPV(answer=replying(ONE)), **pvs)
        server.start()
        self.addCleanup(server.stop)
        return server

    @inlineCallbacks
    def start(self, **pvs: LyingPV) -> Any:
        """Run a server and a gateway; fires with the gateway and a client."""
        self.serve(**pvs)
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK, "--allow-put=anyone")
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        return run, client

    @inlineCallbacks
    def assert_good(self, run: Twistd, client: Any) -> Any:
        """The gateway is running, serves other PVs, and has logged no internal error."""
        reply = yield send_request(client, "get", pv="good")
        self.assertEqual((reply["value"], reply["count"]), (1.0, 1))
        output = "\n".join(run.lines)
        self.assertIn(f"Updates are handled {_fast.load()}", output)
        self.assertNotIn("Traceback", output)
        self.assertNotIn("ctypes callback", output)


class LyingCountTests(LyingServerTestCase):
    """Events and answers with another count or type than requested."""

    counts: ClassVar = {
        "char": LyingPV(CHAR, 4, answer=replying(time_bytes(CHAR, 1, 2), count=50_000_000)),
        "beyond": LyingPV(CHAR, 4, answer=replying(time_bytes(CHAR, 1, 2), count=0xFFFFFFFF)),
        "string": LyingPV(STRING, 4, answer=replying(time_bytes(STRING, b"a"), count=1_000_000)),
        "scalar": LyingPV(STRING, 1, answer=replying(time_bytes(STRING, b"a"), count=1_000_000)),
        "stale": LyingPV(DOUBLE, 4, answer=replying(time_bytes(DOUBLE, 1, 2, 3, 4), count=100)),
        "many": LyingPV(DOUBLE, 1, answer=replying(time_bytes(DOUBLE, 1, 2), count=2)),
    }

    types: ClassVar = {
        name: LyingPV(DOUBLE, answer=replying(ZEROS, data_type=data_type))
        for name, data_type in TYPES.items()
    }
    channels: ClassVar = {
        "count": LyingPV(DOUBLE, 0, answer=replying(ONE)),
        "rights": LyingPV(rights=0xFFFFFFFE, answer=replying(ONE)),
    }
    empty: ClassVar = {
        "number": LyingPV(DOUBLE, answer=replying(ONE, count=0)),
        "word": LyingPV(STRING, answer=replying(time_bytes(STRING), count=0)),
        "array": LyingPV(DOUBLE, 4, answer=replying(time_bytes(DOUBLE), count=0)),
    }
    labels: ClassVar = {
        name: LyingPV(ENUM, answer=replying(time_bytes(ENUM, 1), head + LABEL * 16 + bytes(8)))
        for name, head in {"full": b"\0\0\0\0\x75\x30", "negative": b"\0\0\0\0\xff\xff"}.items()
    }

    @inlineCallbacks
    def test_lies(self) -> Any:
        """Counts, types, channels, empty values and labels, with one gateway, to save time."""
        flood = LyingPV(CHAR, 4, answer=replying(time_bytes(CHAR, 1), count=5))
        run, client = yield self.start(
            **self.counts, **self.types, **self.channels, **self.empty, **self.labels, flood=flood
        )
        yield self.assert_counts(client)
        yield self.assert_types(client)
        yield self.assert_channels(client)
        yield self.assert_empty(client)
        yield self.assert_labels(client)
        yield self.assert_flood(flood, run, client)
        yield self.assert_good(run, client)

    @inlineCallbacks
    def assert_counts(self, client: WebSocketTestClient) -> Any:
        """A count beyond the PV's is refused, for a subscriber and a get: no byte is used."""
        for name, pv in self.counts.items():
            client.send({"action": "connect", "pv": name})
            error = yield client.until(like(msg_type="error", pvname=name))
            reason = f"the PV has at most {pv.count}"
            self.assertEqual((error["code"], error["action"]), ("refused", "connect"))
            self.assertIn(reason, error["message"])
            reply = yield send_request(client, "get", pv=name)
            self.assertEqual((reply["code"], reason in reply["message"]), ("refused", True), reply)
        self.assertEqual(kinds(client.messages).count("monitor"), 0)

    @inlineCallbacks
    def assert_types(self, client: WebSocketTestClient) -> Any:
        """So is a value of another type than requested, known to Channel Access or not."""
        for name, data_type in TYPES.items():
            client.send({"action": "connect", "pv": name})
            error = yield client.until(like(msg_type="error", pvname=name))
            reason = f"it sent DBR type {data_type}, not {TIME + DBR_TYPES[DOUBLE]} as requested"
            self.assertIn(reason, error["message"])
            reply = yield send_request(client, "get", pv=name)
            self.assertIn(reason, reply["message"])

    @inlineCallbacks
    def assert_channels(self, client: WebSocketTestClient) -> Any:
        """A channel without a length is an array; one without read access is not connected."""
        client.send({"action": "connect", "pv": "count"})
        monitor = yield client.until(like(msg_type="monitor", pvname="count"))
        self.assertEqual(monitor["value"], [1.0])
        client.send({"action": "connect", "pv": "rights"})
        yield client.until(like(pvname="rights", conn=False))

    @inlineCallbacks
    def assert_empty(self, client: WebSocketTestClient) -> Any:
        """A scalar without an element has no value; an array is empty; nothing is logged."""
        values: dict[str, Any] = {"number": None, "word": None, "array": []}
        for name, value in values.items():
            client.send({"action": "connect", "pv": name})
            monitor = yield client.until(like(msg_type="monitor", pvname=name))
            reply = yield send_request(client, "get", pv=name, text=True)
            for message in (monitor, reply):
                self.assertEqual((message["value"], message["count"]), (value, 0))

    @inlineCallbacks
    def assert_labels(self, client: WebSocketTestClient) -> Any:
        """An enum with 30,000 labels, or a negative number of them, has those that are valid."""
        for name, labels in {"full": ["on"] * 16, "negative": None}.items():
            reply = yield send_request(client, "info", pv=name)
            self.assertEqual(reply.get("enum_strs"), labels)

    @inlineCallbacks
    def assert_flood(self, pv: LyingPV, run: Twistd, client: WebSocketTestClient) -> Any:
        """20,000 invalid events are a few log lines, and other clients lose nothing."""
        client.send({"action": "connect", "pv": "flood"})
        yield client.until(like(msg_type="error", pvname="flood"))
        events = pv.events()
        for number in range(20_000):
            events.answer(time_bytes(CHAR, 1), count=5 + number % 2)
        events.answer(time_bytes(CHAR, 7), count=1)
        monitor = yield client.until(like(msg_type="monitor", pvname="flood"))
        self.assertEqual(monitor["value"], [7])
        self.assertLess(sum("flood" in line for line in run.lines), 10)

    @inlineCallbacks
    def test_channel_type(self) -> Any:
        """With an invalid channel type, libca disconnects from the server; the log says so."""
        run, client = yield self.start(pv=LyingPV(type_number=99))
        client.send({"action": "connect", "pv": "pv"})
        yield run.until_line(f"Virtual circuit disconnect .localhost:{self.ports.server}")
        yield client.until(like(pvname="pv", conn=False))
        reply = yield send_request(client, "ping")
        self.assertEqual(reply["msg_type"], "pong")


class BadStatusTests(LyingServerTestCase):
    """Answers with a status that is not ECA_NORMAL."""

    @inlineCallbacks
    def test_all(self) -> Any:
        """For a subscription, a get and a put, with one gateway, to save time."""

        def answer(request: Request) -> None:
            if request.is_control:
                request.answer(control_bytes())
            elif request.command == EVENT_ADD:
                request.refuse(GETFAIL, b"no such thing")
            elif request.command == WRITE_NOTIFY:
                request.answer(b"", status=PUTFAIL)
            else:
                request.refuse(UNKNOWN_STATUS, b"")

        value = LyingPV(answer=replying(ONE))
        run, client = yield self.start(value=value, failing=LyingPV(answer=answer))
        yield self.assert_value(value, run, client)
        yield self.assert_exception(client)
        yield self.assert_put(run, client)
        yield self.assert_good(run, client)

    @inlineCallbacks
    def assert_value(self, pv: LyingPV, run: Twistd, client: WebSocketTestClient) -> Any:
        """Clients get the server's status, and no old value as if it were current."""
        statuses = {GETFAIL: "Channel read request failed", NORDACCESS: "Read access denied"}
        client.send({"action": "connect", "pv": "value"})
        yield client.until(msg_type="monitor")
        for status, words in statuses.items():
            pv.events().answer(ONE, status=status)
            yield client.until(like(msg_type="connection", conn=False))
            error = yield client.until(like(msg_type="error"))
            self.assertEqual(error["pvname"], "value")
            self.assertIn(words, error["message"])
            # Later clients get the same.
            client.send({"action": "connect", "pv": "value"})
            yield client.until(like(msg_type="connection", conn=False))
            again = yield client.until(like(msg_type="error"))
            self.assertEqual(again, error)
            logged = yield run.until_line(words)
            self.assertIn("the value of value", logged.string)
        pv.events().answer(time_bytes(DOUBLE, 2.0))
        yield client.until(like(msg_type="connection", conn=True))
        yield client.until(like(msg_type="monitor", value=2.0))

    @inlineCallbacks
    def assert_exception(self, client: WebSocketTestClient) -> Any:
        """A server that answers with CA_PROTO_ERROR is reported too, with any status."""
        client.send({"action": "connect", "pv": "failing"})
        error = yield client.until(like(msg_type="error", pvname="failing"))
        self.assertIn("Channel read request failed", error["message"])
        reply = yield send_request(client, "get", pv="failing")
        self.assertEqual(reply["code"], "refused")
        self.assertIn("known only by server", reply["message"])

    @inlineCallbacks
    def assert_put(self, run: Twistd, client: WebSocketTestClient) -> Any:
        """A put with completion has the server's status, in the reply and in the log."""
        reply = yield send_request(client, "put", pv="failing", value=5)
        self.assertEqual(reply["code"], "put_failed")
        self.assertIn("Channel write request failed", reply["message"])
        yield run.until_line("Channel write request failed")

    @inlineCallbacks
    def test_get(self) -> Any:
        """A get has the status of its own answer, whatever the subscription has."""

        def answer(request: Request) -> None:
            if request.command == READ_NOTIFY:
                request.answer(ONE, status=GETFAIL)
            else:
                replying(ONE)(request)

        run, client = yield self.start(pv=LyingPV(answer=answer))
        client.send({"action": "connect", "pv": "pv"})
        yield client.until(msg_type="monitor")
        reply = yield send_request(client, "get", pv="pv")
        self.assertEqual(reply["code"], "refused")
        self.assertIn("Channel read request failed", reply["message"])
        yield run.until_line("the value of pv: Channel read request failed")
        yield self.assert_good(run, client)

    @inlineCallbacks
    def test_metadata(self) -> Any:
        """Without units and limits the value is served, and the metadata has the reason."""

        def answer(request: Request) -> None:
            request.answer(ONE, status=GETFAIL if request.is_control else 1)

        run, client = yield self.start(pv=LyingPV(answer=answer))
        client.send({"action": "connect", "pv": "pv", "metadata": True})
        metadata = yield client.until(msg_type="metadata")
        self.assertEqual(metadata["refusal"], "Channel read request failed")
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 1.0)
        info = yield send_request(client, "info", pv="pv")
        self.assertEqual(info["refusal"], "Channel read request failed")
        yield run.until_line("units and limits of pv: Channel read request failed")
        yield self.assert_good(run, client)
