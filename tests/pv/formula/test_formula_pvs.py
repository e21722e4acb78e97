"""Formulas of PVs in memory, on a clock that the test controls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.pv.formula import backend
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.sessions.authorizer import decide_for
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.peer import Peer
from tests.support.garbage import left_to_the_collector
from tests.support.memory_gateway import CONNECT_TIMEOUT, LINGER, MemoryGateway, send_request

SUM = "=`a` + `b`"


class FormulaTestCase(SynchronousTestCase):
    """Tests with two PVs and a client."""

    policy: Policy | None = None
    limits: Limits | None = None

    def setUp(self) -> None:
        """Make a gateway with the PVs a and b."""
        self.now = 1.5
        backend = MemoryBackend(now=lambda: self.now)
        self.gateway = MemoryGateway(self.policy, self.limits, backend)
        self.memory = self.gateway.backend
        self.memory.add("a", 1.0)
        self.memory.add("b", 2.0)
        self.session, self.page = self.gateway.open()

    def received(self) -> list[Any]:
        """Return what the client got since the last call, when nothing else is due."""
        self.gateway.advance(0.001)
        self.gateway.flush_cycle()
        return self.page.take()

    def connect(self, name: str, **options: Any) -> list[Any]:
        """Subscribe, and return what the client gets."""
        send_request(self.session, "connect", name, **options)
        return self.received()

    def values(self, messages: list[Any]) -> list[Any]:
        """Return the values of updates among messages."""
        return [each["value"] for each in messages if each["msg_type"] == "monitor"]

    def shown(self) -> list[Any]:
        """Return the values of all formulas."""
        return [pv.latest and pv.latest.value for pv in self.gateway.hub.pvs if pv.inputs]


class UpdateTests(FormulaTestCase):
    """Messages about a formula."""

    def test_value(self) -> None:
        """It has a value at once if its inputs have, and is computed when they change."""
        first, value = self.connect(SUM)
        self.assertEqual((first["pvname"], first["conn"]), (SUM, True))
        self.assertEqual((value["pvname"], value["value"], value["count"]), (SUM, 3.0, 1))
        self.memory.set("a", 5.0)
        self.assertEqual(self.values(self.received()), [7.0])

    def test_burst(self) -> None:
        """It is computed once after a burst of updates of its inputs."""
        self.connect(SUM)
        for number in range(10):
            self.memory.set("a", float(number))
            self.memory.set("b", float(number))
        self.assertEqual(self.values(self.received()), [18.0])

    def test_alarm_and_time(self) -> None:
        """It has the worst alarm of its inputs, and the newest time stamp."""
        self.connect(SUM, metadata=True)
        for a, b, alarm in (
            (0, 2, "MAJOR"),
            (3, 2, "INVALID"),
            (0, 1, "MINOR"),
            (0, 0, "NO_ALARM"),
        ):
            self.memory.set("a", 1.0, severity=a, status=min(a, 1) * 17)
            self.now = 100.25
            self.memory.set("b", 1.0, severity=b, status=min(b, 1) * 3)
            self.now = 1.5
            (update,) = self.received()
            self.assertEqual((update["severity"], update["timestamp"]), (alarm, 100.25))
            status = {"MAJOR": "HIHI", "MINOR": "HIHI", "INVALID": "UDF"}
            self.assertEqual(update["status"], status.get(alarm, "NO_ALARM"))

    def test_described(self) -> None:
        """It is a number without units that cannot be written, and its metadata says so."""
        self.connect(SUM)
        send_request(self.session, "info", SUM)
        (info,) = self.received()
        self.assertEqual((info["type"], info["count"], info.get("units")), ("double", 1, None))
        self.assertFalse(info["write_access"])
        send_request(self.session, "put", SUM, value=1)
        (refused,) = self.received()
        self.assertEqual((refused["code"], refused["pvname"]), ("forbidden", SUM))
        self.assertEqual(refused["message"], "a formula cannot be written")

    def test_get(self) -> None:
        """A get has the newest value; if an input is missing, it fails."""
        send_request(self.session, "get", "eq://`a` * 10")
        (value,) = self.received()
        self.assertEqual((value["msg_type"], value["value"]), ("value", 10.0))
        send_request(self.session, "get", "=`a` + `nowhere`")
        self.assertEqual(self.received(), [])
        self.gateway.advance(CONNECT_TIMEOUT)
        (error,) = self.received()
        self.assertEqual(error["code"], "not_connected")

    def test_constant(self) -> None:
        """Without inputs, it is a constant."""
        self.assertEqual(self.values(self.connect("=2*PI/PI")), [2.0])

    def test_nothing(self) -> None:
        """A result that is not a number is null, like any NaN."""
        self.assertEqual(self.values(self.connect("=`a` / (`b` - `b`) - `a`/0")), [None])

    def test_kinds(self) -> None:
        """The value of an enum is its index; booleans and whole numbers are numbers."""
        self.memory.add("e", 1, Metadata(FieldType.ENUM, 1, enum_strs=("Off", "On")))
        self.memory.add("l", 3)
        self.assertEqual(self.values(self.connect("=e ? l : 0")), [3.0])
        self.memory.set("e", 0)
        self.assertEqual(self.values(self.received()), [0.0])

    def test_shared(self) -> None:
        """However it is written, one formula has one channel, and each input has one for all."""
        values = []
        for name in (SUM, "=a+b", "eq://'a'  +  `b`", "EQ://`ca://a`+b", "=`a`-`b`"):
            values += self.values(self.connect(name))
        self.assertEqual(values, [3.0] * 4 + [-1.0])
        names = ["a", "b", "eq://`a`+`b`", "eq://`a`-`b`"]
        self.assertEqual(sorted(self.gateway.hub.names), names)
        hub = self.gateway.hub
        self.assertEqual([len(pv.subscribers) for pv in hub.pvs if pv.name in ("a", "b")], [1, 1])

    def test_nested(self) -> None:
        """A formula may be an input of another."""
        name = "=2 * `=a + b`"
        self.assertEqual(self.values(self.connect(name)), [6.0])
        self.memory.set("b", 4.0)
        self.received()
        self.gateway.advance(1)
        self.assertIn("eq://2*'eq://`a`+`b`'", self.gateway.hub.names)
        self.assertEqual(self.shown(), [5.0, 10.0])


class LifeTests(FormulaTestCase):
    """Inputs disconnect and reconnect."""

    def test_lost(self) -> None:
        """It is lost with any of its inputs, and reconnects with it; `reason` says which."""
        self.connect(SUM, reason=True)
        self.memory.remove("b")
        (lost,) = self.received()
        self.assertFalse(lost["conn"])
        self.assertRegex(lost["reason"], "^its input b has no value: the IOC was lost at 20")
        self.memory.set("a", 8.0)
        self.assertEqual(self.received(), [])
        self.memory.add("b", 9.0)
        back, value = self.received()
        self.assertEqual((back["conn"], value["value"]), (True, 17.0))

    def test_blip(self) -> None:
        """An input that reconnects within a burst is a new value, if it has one yet."""
        self.connect(SUM)
        self.memory.remove("b")
        self.memory.add("b", 9.0)
        self.assertEqual(self.values(self.received()), [10.0])
        (handle,) = (each for each in self.memory.handles if each.name == "b")
        handle.sink.connection(False)
        handle.sink.connection(True)
        (lost,) = self.received()
        self.assertFalse(lost["conn"])

    def test_not_found(self) -> None:
        """A missing input is reported like any missing PV, by name."""
        self.assertEqual(self.connect("=`a` + `nowhere`", reason=True), [])
        self.gateway.advance(CONNECT_TIMEOUT)
        (message,) = self.received()
        self.assertFalse(message["conn"])
        self.assertIn("its input nowhere has no value: no IOC has answered", message["reason"])
        self.memory.add("nowhere", 41.0)
        self.assertEqual(self.values(self.received()), [42.0])

    def test_refusing_input(self) -> None:
        """The reason of an input's IOC is part of the reason."""
        self.connect(SUM, reason=True)
        (handle,) = (each for each in self.memory.handles if each.name == "b")
        handle.sink.refused("no such luck")
        (lost,) = self.received()
        self.assertIn("its input b has no value: the IOC refuses", lost["reason"])
        self.assertIn("no such luck", lost["reason"])

    def test_no_number(self) -> None:
        """An input that is not a number is an error, until it is one."""
        self.memory.add("s", "text")
        lost, error = self.connect("=`a` + `s`", reason=True)
        self.assertRegex(lost["reason"], "it cannot be computed since .*: its input s is a string")
        self.assertEqual(error["code"], "refused")
        self.assertEqual(error["message"], "its input s is a string, not a number")
        send_request(self.session, "get", "=`a` + `s`")
        (refused,) = self.received()
        self.assertEqual(refused["code"], "refused")
        self.memory.remove("s")
        self.memory.add("s", 3.0)
        self.assertEqual(self.values(self.received()), [4.0])

    def test_large_input(self) -> None:
        """Large arrays, which formulas cannot use, are not subscribed to."""
        self.memory.add("w", 0.0, Metadata(FieldType.DOUBLE, 100_000))
        _lost, error = self.connect("=`w` + 1")
        self.assertEqual(error["message"], "its input w is an array, not a number")
        self.received()
        self.assertNotIn("w", self.gateway.hub)

    def test_linger(self) -> None:
        """Its channels linger like others, and leave nothing behind."""
        self.connect(SUM)
        send_request(self.session, "disconnect", SUM)
        self.gateway.advance(LINGER)
        self.assertEqual(sorted(self.gateway.hub.names), ["a", "b"])
        self.gateway.advance(LINGER)
        self.assertEqual(self.gateway.hub.names, [])
        self.assertEqual(self.memory.handles, [])
        self.assertEqual(self.gateway.clock.getDelayedCalls(), [])

    def test_freed(self) -> None:
        """Closed and refused formulas are freed at once, without the garbage collector."""

        def work() -> None:
            session, _ = self.gateway.open()
            for name in (SUM, "=`=a+1` + b", "=x + a", "=1 +", "=`a` + `xyz://b`", "=w + 1"):
                send_request(session, "connect", name)
                send_request(session, "get", name)
                send_request(session, "put", name, value=1)
            self.gateway.flush_cycle()
            self.memory.remove("b")
            self.gateway.advance(1)
            session.close()
            self.gateway.advance(CONNECT_TIMEOUT)
            self.memory.add("b", 2.0)
            for _ in range(4):
                self.gateway.advance(LINGER)
            self.assertEqual(self.gateway.hub.names, [])

        self.memory.add("w", 0.0, Metadata(FieldType.DOUBLE, 100_000))
        work()
        with left_to_the_collector() as left:
            work()
        self.assertEqual(left, Counter())


class RuleTests(FormulaTestCase):
    """Access to a formula: that to all of its inputs."""

    PVLIST = "EVALUATION ORDER ALLOW, DENY\na ALLOW\nshort ALIAS b\nloc://x ALLOW\n"

    def setUp(self) -> None:
        """Make a list that forbids b, but not by another name."""
        self.policy = Policy(parse_pvlist(self.PVLIST, "pvlist"))
        super().setUp()

    def test_forbidden(self) -> None:
        """One input that may not be read is sufficient; the message says which."""
        for name, part in ((SUM, "b"), ("=1 + `ca://b`", "ca://b"), ("=`=b` + 1", "=b")):
            received = self.connect(name, reason=True)
            self.assertEqual(received[-1]["code"], "forbidden")
            self.assertEqual(
                received[-1]["message"], f"this gateway does not let you read its input {part}"
            )
            self.assertIn(f"do not let you read its input {part}", received[0]["reason"])
        for action, options in (("get", {}), ("info", {}), ("history", {"from": 1.0})):
            send_request(self.session, action, SUM, **options)
            self.assertEqual(self.received()[0]["code"], "forbidden", action)
        self.assertEqual(self.gateway.hub.names, [])

    def test_two_schemes(self) -> None:
        """A name with two schemes does not bypass the rules."""
        for name in ("ca://=b", "ca://eq://`b`", "=`ca://=b`"):
            (error,) = self.connect(name)
            self.assertEqual(error["code"], "bad_name", name)

    def test_alias(self) -> None:
        """An input given by an alias is the PV behind it, with the rules for that PV."""
        self.assertEqual(self.values(self.connect("=`short` + a")), [3.0])
        self.assertIn("eq://`b`+`a`", self.gateway.hub.names)

    def test_listed(self) -> None:
        """A client that may not read an input does not learn that others have the formula."""
        self.connect("=`short` + a")
        (name,) = (each for each in self.gateway.hub.names if each.startswith("eq://"))
        verdict = decide_for(self.gateway.sessions.shared, Peer("test"), name)
        self.assertFalse(verdict.read)

    def test_scheme(self) -> None:
        """An error in the name of an input is an error of the formula."""
        (error,) = self.connect("=`a` + `xyz://b`")
        self.assertEqual((error["code"], error["pvname"]), ("bad_name", "=`a` + `xyz://b`"))
        self.assertIn("its input xyz://b: unknown scheme xyz://; expected one of", error["message"])
        (error,) = self.connect("=`a` +")
        self.assertEqual((error["code"], error["pvname"]), ("bad_name", "=`a` +"))
        self.assertIn("character 7: expected a number", error["message"])
        (error,) = self.connect("eq://`a`)")
        self.assertIn("character 9: expected an operator or the end", error["message"])


class BoundTests(FormulaTestCase):
    """Many formulas and inputs of a client."""

    limits = Limits(unresolved=5)

    def test_searches(self) -> None:
        """Each input that was not found counts as one that a client searches for."""
        self.assertEqual(self.connect("=x1 + x2 + x3"), [])
        (error,) = self.connect("=y1 + y2 + y3")
        self.assertEqual(error["code"], "too_many_pvs")
        # What was not opened does not count: there is room for one more.
        self.assertNotIn("y1", self.gateway.hub)
        self.assertEqual(self.connect("z"), [])
        self.memory.add("x1", 1.0)
        self.received()
        self.assertEqual(self.connect("z2"), [])

    def test_given_up(self) -> None:
        """A formula is dropped with any of its inputs in favour of other clients."""
        limits = attrs.evolve(Limits(), unresolved_in_all=4)
        self.gateway = MemoryGateway(limits=limits)
        self.session, self.page = self.gateway.open()
        self.connect("=x1 + x2 + x3")
        other, page = self.gateway.open()
        send_request(other, "connect", "y")
        (error,) = self.received()
        self.assertEqual((error["code"], error["pvname"]), ("too_many_pvs", "=x1 + x2 + x3"))
        self.assertEqual(page.take(), [])
        self.gateway.advance(LINGER)
        self.assertEqual(self.gateway.hub.names, ["y"])

    def test_formulas(self) -> None:
        """The number of formulas is limited."""
        self.patch(backend, "MAX_FORMULAS", 2)
        for number in range(2):
            self.assertEqual(self.values(self.connect(f"=a+{number}")), [1.0 + number])
        lost, error = self.connect("=a+2")
        self.assertFalse(lost["conn"])
        self.assertIn("the limit of 2 formulas is reached", error["message"])
        send_request(self.session, "disconnect", "=a+1")
        send_request(self.session, "disconnect", "=a+2")
        self.gateway.advance(LINGER)
        self.assertEqual(self.values(self.connect("=a+2")), [3.0])

    def test_rate(self) -> None:
        """The computations per second of all formulas are limited; the newest values count."""
        self.patch(backend, "MAX_RATE", 100.0)
        self.patch(backend, "FORMULAS_PER_STEP", 5)
        for number in range(10):
            self.connect(f"=a+{number}")
        self.memory.set("a", 10.0)
        counts = []
        for value in range(10):
            self.gateway.advance(0.01)
            self.memory.set("a", float(value))
            counts.append(len(self.values(self.page.take())))
        self.assertLessEqual(sum(counts), 15)
        self.gateway.advance(1)
        self.gateway.advance(1)
        last = self.values(self.received())
        self.assertIn(9.0 + 9, last)
        self.assertEqual(self.shown(), [9.0 + number for number in range(10)])
