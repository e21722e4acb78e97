"""Limits of one message: ids, lists and fragments, and their cost."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.access import IPolicy, Policy, Writers
from pycawamp.sessions.limits import BURST, Limits
from pycawamp.sessions.list_errors import MAX_ERRORS
from pycawamp.sessions.operations import UNDER_WAY
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import NAMES_A_TOKEN, NAMES_PER_STEP
from pycawamp.wire.v2.dialect import VERSION_1
from pycawamp.wire.v2.requests import MAX_BRACKETS, MAX_ID
from tests.support.gateway_case import MemoryGatewayTestCase
from tests.support.memory_gateway import MemoryGateway, Page, send_request

MANY = 5 * MAX_ERRORS


def message(action: str, **keys: Any) -> bytes:
    """A request."""
    return json.dumps({"action": action, **keys}).encode()


class BoundsTests(SynchronousTestCase):
    """Sessions over in-memory PVs."""

    def open(self, policy: IPolicy | None = None, **limits: Any) -> None:
        """Make a client of a gateway with these limits."""
        self.gateway = MemoryGateway(policy, Limits(**limits))
        self.gateway.backend.add("X", 1.0)
        self.page = Page()
        self.closed: list[int] = []
        self.session = self.gateway.sessions.open(
            self.page, Peer("test"), VERSION_1, lambda code, _: self.close_connection(code)
        )

    def close_connection(self, code: int) -> None:
        """Record that the gateway closes the connection."""
        self.closed.append(code)
        self.session.close()

    def received(self) -> list[Any]:
        """Return what the client got since the last call."""
        self.gateway.flush_cycle()
        return self.page.take()

    def replies_to(self, payload: bytes) -> list[Any]:
        """Return what a client gets for a message, when it has been processed."""
        self.session.receive(payload)
        while self.session.is_busy:
            self.session.process_next()
        return self.received()

    def test_id(self) -> None:
        """An id has a length limit, in bytes; the error about a longer one does not repeat it."""
        self.open()
        for longest in ("i" * MAX_ID, "ü" * (MAX_ID // 2)):
            (pong,) = self.replies_to(message("ping", id=longest))
            self.assertEqual(pong["id"], longest)
            (error,) = self.replies_to(message("ping", id=longest + "i"))
            self.assertEqual((error["code"], "id" in error), ("bad_request", False))
            self.assertLess(len(json.dumps(error)), 2 * MAX_ID)

    def test_many_mistakes(self) -> None:
        """The first hundred errors of a list are reported; one error counts the others."""
        self.open()
        for action in ("connect", "disconnect"):
            for bad, code in (("", "bad_name"), (5, "bad_request"), ([], "bad_request")):
                errors = self.replies_to(message(action, pvs=[bad] * MANY, id=1))
                self.assertEqual(len(errors), MAX_ERRORS + 1)
                self.assertEqual({error["code"] for error in errors}, {code})
                self.assertEqual({error["action"] for error in errors}, {action})
                self.assertEqual({error["id"] for error in errors}, {1})
                self.assertIn(f"{MANY - MAX_ERRORS} more", errors[-1]["message"])
                self.assertNotIn("pvname", errors[-1])

    def test_many_refused(self) -> None:
        """So are PVs that are refused because there are too many."""
        self.open(pvs=1)
        messages = self.replies_to(message("connect", pvs=[f"n{n}" for n in range(MANY)]))
        self.assertEqual(len(messages), MAX_ERRORS + 1)
        self.assertEqual({error["code"] for error in messages}, {"too_many_pvs"})
        self.assertIn(f"{MANY - 1 - MAX_ERRORS} more", messages[-1]["message"])

    def test_names(self) -> None:
        """A list of too many names is refused as a whole."""
        self.open(names=3)
        self.assertEqual(len(self.replies_to(message("connect", pvs=["X", "", ""]))), 4)
        for action in ("connect", "disconnect"):
            (error,) = self.replies_to(message(action, pvs=["X", "X", "X", ""], id=4))
            self.assertEqual((error["code"], error["id"]), ("bad_request", 4))
            self.assertIn("at most 3", error["message"])

    def test_parts(self) -> None:
        """A list is processed in parts, valid or not."""
        self.open()
        for names in (["X"], [""], [5], ["", "X"]):
            self.session.receive(message("connect", pvs=names * NAMES_PER_STEP * 3))
            self.assertTrue(self.session.is_busy)
            self.assertLessEqual(len(self.received()), NAMES_PER_STEP + 2)
            while self.session.is_busy:
                self.session.process_next()
            self.received()

    def test_list_in_parts(self) -> None:
        """So is the reply to a `list`, which has all names."""
        self.open()
        names = [f'"n{n}' for n in range(2000)]
        self.replies_to(message("connect", pvs=names))
        self.session.receive(message("list", id=5))
        self.assertTrue(self.session.is_busy)
        self.assertEqual(self.received(), [])
        while self.session.is_busy:
            self.session.process_next()
        self.assertEqual(self.received(), [{"msg_type": "list", "pvs": names, "id": 5}])

    def test_cost(self) -> None:
        """A list costs tokens by its length, even if it is longer than the balance."""
        for bad in ("X", "", 5):
            self.open(request_rate=1)
            names = [bad] * int(BURST) * NAMES_A_TOKEN
            self.replies_to(message("connect", pvs=names))
            (error,) = self.replies_to(message("ping"))
            self.assertEqual(error["code"], "rate_limited")
            self.gateway.advance(2)
            (pong,) = self.replies_to(message("ping"))
            self.assertEqual(pong["msg_type"], "pong")

    def test_long_message(self) -> None:
        """So does a message, by its bytes."""
        self.open(request_rate=1)
        self.replies_to(message("ping", x="x" * 2**20))
        (error,) = self.replies_to(message("ping"))
        self.assertEqual(error["code"], "rate_limited")

    def test_brackets(self) -> None:
        """The number of arrays and objects is limited."""
        self.open()
        (pong,) = self.replies_to(message("ping", x=[[]] * (MAX_BRACKETS - 2)))
        self.assertEqual(pong["msg_type"], "pong")
        (error,) = self.replies_to(message("ping", x=[[]] * (MAX_BRACKETS - 1)))
        self.assertEqual(error["code"], "bad_json")

    def test_answers_not_read(self) -> None:
        """A client that does not read the replies to a list is closed before its end."""
        self.open()
        self.session.receive(message("connect", pvs=["X", *(f"n{n}" for n in range(1000))]))
        self.page.backlog = 2**27
        while self.session.is_busy:
            self.session.process_next()
        self.assertEqual(self.closed, [1008])
        self.assertLess(len(self.gateway.hub), 100)

    def test_gone(self) -> None:
        """The PVs of a disconnected client are closed in parts, and nothing is sent to it."""
        self.open()
        names = [f"n{n}" for n in range(2000)]
        for name in names:
            self.gateway.backend.add(name, 1)
        self.replies_to(message("connect", pvs=names))
        self.session.close()
        left = len(self.gateway.sessions.shared.publishers)
        self.assertGreater(left, 1000)
        for value in range(3):
            self.gateway.backend.set(names[-1], value)
            self.session.outbox.resume()
        self.assertEqual(self.received(), [])
        while len(self.gateway.sessions.shared.publishers):
            self.gateway.flush_cycle()
        self.assertEqual(self.received(), [])

    def test_under_way(self) -> None:
        """The number of unanswered gets and infos is limited."""
        for action in ("get", "info"):
            self.open()
            for number in range(UNDER_WAY + 3):
                send_request(self.session, action, "nowhere", id=number)
            errors = self.received()
            self.assertEqual({error["code"] for error in errors}, {"overloaded"})
            self.assertEqual([error["id"] for error in errors], [UNDER_WAY + n for n in range(3)])
            self.session.close()

    def test_deep_put(self) -> None:
        """A put of a value that cannot be written as JSON is refused, and logged like others."""
        self.open()
        deep: Any = 1
        for _ in range(500):
            deep = [deep]
        with _Lines() as lines:
            (error,) = self.replies_to(message("put", pv="X", value=deep))
        self.assertEqual(error["code"], "forbidden")
        self.assertEqual(len(lines.found), 1)
        self.assertIn("nested too deeply", lines.found[0])

    def test_deep_put_allowed(self) -> None:
        """If the client may write, the error says that no value is nested so deeply."""
        self.open(Policy(puts=True, writers=Writers.ANYONE))
        deep = b'{"action":"put","pv":"X","value":%b%b}' % (b"[" * 500, b"]" * 500)
        with _Lines() as lines:
            (error,) = self.replies_to(deep)
        self.assertEqual(error["code"], "bad_value")
        self.assertEqual(len(lines.found), 1)


class FrameTests(MemoryGatewayTestCase):
    """Frames without meaning, over real TCP."""

    @inlineCallbacks
    def test_wrong_pongs(self) -> Any:
        """Pongs that answer no ping are counted, not logged, also while a pong is awaited."""
        client = yield self.start_client(ping_interval=1)
        with _Lines() as lines:
            # Nothing that this client sends answers the gateway's ping.
            client.protocol.sendPong = lambda payload=None: None
            yield deferLater(reactor, 1.5)
            for _ in range(50):
                client.protocol.sendFrame(opcode=10, payload=b"x" * 12)
            client.send({"action": "ping"})
            yield client.until(msg_type="pong")
        self.assertEqual(lines.found, [])

    @inlineCallbacks
    def test_fragments(self) -> Any:
        """A message may have several fragments, even empty ones."""
        client = yield self.start_client()
        text = b'{"action":"ping","id":"\xc3\xbc"}'
        client.protocol.sendFrame(opcode=1, payload=b"", fin=False)
        for at in range(len(text)):
            client.protocol.sendFrame(opcode=0, payload=text[at : at + 1], fin=False)
            client.protocol.sendFrame(opcode=0, payload=b"", fin=False)
        client.protocol.sendFrame(opcode=0, payload=b"")
        pong = yield client.until(msg_type="pong")
        self.assertEqual(pong["id"], "ü")

    @inlineCallbacks
    def test_too_many(self) -> Any:
        """Fragments and pongs without end are too many requests."""
        fixture = yield self.start()
        for opcode, fin in ((0, False), (10, True)):
            client = yield fixture.connect()
            client.protocol.sendFrame(opcode=1, payload=b"", fin=False)
            for _ in range(25_000):
                client.protocol.sendFrame(opcode=opcode, payload=b"", fin=fin)
            code = yield client.when_closed()
            self.assertEqual(code, 1008)

    @inlineCallbacks
    def test_bad_frames(self) -> Any:
        """Invalid frames are counted; for many connections with one, there is one log line."""
        fixture = yield self.start()
        with _Lines() as lines:
            for _ in range(10):
                client = yield fixture.connect()
                client.protocol.sendFrame(opcode=3, payload=b"")
                code = yield client.when_closed()
                self.assertEqual(code, 1002)
        refused = [line for line in lines.found if "client_log" not in line]
        self.assertEqual(len(refused), 1, lines.found)
        self.assertEqual(fixture.gateway.refusals.counts["closed for a bad frame"], 10)


@implementer(ILogObserver)
class _Lines:
    """Return what is logged meanwhile, without debugging and lines about clients."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> _Lines:
        globalLogPublisher.addObserver(self)
        return self

    def __exit__(self, *_: object) -> None:
        globalLogPublisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        namespace = event.get("log_namespace", "")
        if event["log_level"].name != "debug" and not namespace.startswith("twisted"):
            self.found.append(f"{namespace}: {event.get('log_format')} {event.get('line', '')}")
