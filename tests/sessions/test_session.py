"""One client's session, without sockets."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.values import FieldType, Metadata
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.v2.requests import parse
from tests.support.examples import examples
from tests.support.memory_gateway import CONNECT_TIMEOUT, LINGER, MemoryGateway, send_request


def brief(messages: list[dict[str, object]]) -> list[object]:
    """Return the main part of each message: conn, value, or the error's code."""
    keys = {"connection": "conn", "monitor": "value", "error": "code"}
    return [message[keys[str(message["msg_type"])]] for message in messages]


def is_no_request(payload: bytes) -> bool:
    """Return whether a message is refused as a whole. (Hypothesis also tries texts of the code.)"""
    try:
        parse(payload)
    except BadMessageError:
        return True
    return False


ANYTHING = st.binary(max_size=50) | st.text(max_size=50).map(str.encode)


class SessionTests(SynchronousTestCase):
    """Session over in-memory PVs."""

    def setUp(self) -> None:
        """Open a client."""
        self.gateway = MemoryGateway()
        self.gateway.backend.add("X", 1.0)
        self.session, self.page = self.gateway.open()

    def received(self) -> list[object]:
        """Return what the client got in this flush cycle."""
        self.gateway.flush_cycle()
        return brief(self.page.take())

    def test_connect(self) -> None:
        """Connecting sends connection and value at once, then each update, once per flush cycle."""
        send_request(self.session, "connect", "X")
        self.assertEqual(self.received(), [True, 1.0])
        for value in (2.0, 3.0):
            self.gateway.backend.set("X", value)
        self.assertEqual(self.page.writes, [])
        self.gateway.flush_cycle()
        self.assertEqual(len(self.page.writes), 1)
        self.assertEqual(self.received(), [2.0, 3.0])

    def test_bare_name(self) -> None:
        """A bare name connects, as in the oldest protocol."""
        self.session.receive(b"X")
        self.assertEqual(self.received(), [True, 1.0])

    def test_disconnect(self) -> None:
        """Disconnecting ends the updates; of a PV that is not subscribed to, it is ignored."""
        send_request(self.session, "connect", "X")
        self.received()
        send_request(self.session, "disconnect", "X")
        send_request(self.session, "disconnect", "X")
        send_request(self.session, "disconnect", "never")
        self.gateway.backend.set("X", 2.0)
        self.assertEqual(self.received(), [])

    def test_connect_again(self) -> None:
        """A repeated connect is answered again, and updates are still sent once."""
        for _ in range(3):
            send_request(self.session, "connect", "X")
            self.assertEqual(self.received(), [True, 1.0])
        self.gateway.backend.set("X", 2.0)
        self.assertEqual(self.received(), [2.0])
        send_request(self.session, "disconnect", "X")
        self.gateway.backend.set("X", 3.0)
        self.assertEqual(self.received(), [])

    def test_not_found(self) -> None:
        """A PV that is not found in time is reported as such once, and when it appears."""
        send_request(self.session, "connect", "late")
        self.gateway.advance(CONNECT_TIMEOUT - 0.1)
        self.assertEqual(self.received(), [])
        self.gateway.advance(0.2)
        self.assertEqual(self.received(), [False])
        self.gateway.advance(100)
        self.assertEqual(self.received(), [])
        self.gateway.backend.add("late", "here")
        self.assertEqual(self.received(), [True, "here"])

    def test_found_in_time(self) -> None:
        """A PV that is found in time is never reported as lost."""
        send_request(self.session, "connect", "late")
        self.gateway.advance(CONNECT_TIMEOUT - 0.1)
        self.gateway.backend.add("late", 5)
        self.gateway.advance(100)
        self.assertEqual(self.received(), [True, 5])

    def test_not_found_for_each(self) -> None:
        """Each client is notified when its own time is over, unless it has disconnected."""
        send_request(self.session, "connect", "late")
        leaver, leaver_page = self.gateway.open()
        send_request(leaver, "connect", "late")
        send_request(leaver, "disconnect", "late")
        self.gateway.advance(3)
        second, second_page = self.gateway.open()
        send_request(second, "connect", "late")
        self.gateway.advance(CONNECT_TIMEOUT - 3)
        self.assertEqual(self.received(), [False])
        self.assertEqual(second_page.messages, [])
        self.gateway.advance(3)
        self.assertEqual(brief(second_page.take()), [False])
        self.assertEqual(leaver_page.messages, [])

    def test_repeated_while_searching(self) -> None:
        """A repeated request for a PV that was not found starts the time again."""
        send_request(self.session, "connect", "late")
        self.gateway.advance(3)
        send_request(self.session, "connect", "late")
        self.gateway.advance(3)
        self.assertEqual(self.received(), [])
        self.gateway.advance(3)
        self.assertEqual(self.received(), [False])

    def test_join_lost(self) -> None:
        """Joining a PV that was lost is answered at once."""
        send_request(self.session, "connect", "X")
        self.gateway.backend.remove("X")
        second, page = self.gateway.open()
        send_request(second, "connect", "X")
        self.gateway.flush_cycle()
        self.assertEqual(brief(page.take()), [False])

    def test_no_read_access(self) -> None:
        """A PV that may not be read is reported as not connected."""
        metadata = Metadata(FieldType.DOUBLE, 1, read_access=False)
        self.gateway.backend.add("secret", 1.0, metadata)
        send_request(self.session, "connect", "secret")
        self.assertEqual(self.received(), [False])

    def test_mistakes(self) -> None:
        """Each invalid request is answered by one error with its code, and changes nothing."""
        send_request(self.session, "connect", "X")
        self.received()
        for payload, code in [
            (b"{", "bad_json"),
            (b"[]", "bad_request"),
            (b"{}", "bad_request"),
            (b'{"action":"fly"}', "unknown_action"),
            (b'{"action":"connect"}', "bad_request"),
            (b'{"action":"connect","pv":""}', "bad_name"),
            (b"[" * 100_000, "bad_json"),
        ]:
            self.session.receive(payload)
            self.assertEqual(self.received(), [code], payload[:50])
        self.gateway.backend.set("X", 2.0)
        self.assertEqual(self.received(), [2.0])

    def test_error_keys(self) -> None:
        """An error has code and text, and action and PV as far as they are known."""
        self.session.receive(b"{")
        send_request(self.session, "connect", "a\nb")
        self.gateway.flush_cycle()
        plain, named = self.page.take()
        self.assertEqual(list(plain), ["msg_type", "code", "message"])
        self.assertEqual(list(named), ["msg_type", "code", "message", "action", "pvname"])
        self.assertEqual((named["action"], named["pvname"]), ("connect", "a\nb"))

    def test_binary(self) -> None:
        """A binary message is an error, whatever its content."""
        self.session.receive(json.dumps({"action": "connect", "pv": "X"}).encode(), True)
        self.assertEqual(self.received(), ["bad_request"])

    def test_close(self) -> None:
        """A closed session gets nothing more, and its channels are freed after the linger time."""
        send_request(self.session, "connect", "X")
        send_request(self.session, "connect", "late")
        self.received()
        self.session.close()
        self.gateway.backend.set("X", 2.0)
        self.gateway.advance(CONNECT_TIMEOUT)
        self.assertEqual(self.received(), [])
        self.gateway.advance(LINGER)
        self.assertEqual(self.gateway.hub.names, [])

    def test_separate(self) -> None:
        """Other clients are not affected by joins, leaves and errors of one client."""
        send_request(self.session, "connect", "X")
        self.received()
        other, _ = self.gateway.open()
        send_request(other, "connect", "X")
        send_request(other, "connect", "late")
        other.receive(b"{")
        send_request(other, "disconnect", "X")
        send_request(other, "connect", "X")
        other.close()
        self.gateway.advance(100)
        self.assertEqual(self.received(), [])
        self.gateway.backend.set("X", 2.0)
        self.assertEqual(self.received(), [2.0])

    @settings(max_examples=examples(200), deadline=None)
    @given(st.lists(ANYTHING.filter(is_no_request), max_size=5))
    def test_any_bytes(self, payloads: list[bytes]) -> None:
        """Any bytes that are not a request cause one error each, and affect nobody else."""
        gateway = MemoryGateway()
        gateway.backend.add("X", 1.0)
        neighbour, neighbour_page = gateway.open()
        send_request(neighbour, "connect", "X")
        session, page = gateway.open()
        gateway.flush_cycle()
        neighbour_page.take()
        for payload in payloads:
            session.receive(payload)
            gateway.flush_cycle()
            answers = page.take()
            self.assertEqual([message["msg_type"] for message in answers], ["error"])
            self.assertNotEqual(answers[0]["code"], "internal")
        self.assertEqual(neighbour_page.take(), [])
        send_request(session, "connect", "X")
        gateway.backend.set("X", 2.0)
        gateway.flush_cycle()
        self.assertEqual(brief(page.take()), [True, 1.0, 2.0])
        self.assertEqual(brief(neighbour_page.take()), [2.0])
