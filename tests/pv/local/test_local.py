"""loc:// and sim:// PVs, as clients of a gateway see them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.access.pvlist_file import parse_pvlist
from pycawamp.pv.local import loc, sim
from pycawamp.pv.local.loc import LocalBackend
from pycawamp.pv.local.names import LocalName
from pycawamp.pv.local.sim import SimulationBackend
from pycawamp.pv.local.simulations import simulation
from pycawamp.pv.values import SEVERITIES, STATUSES
from tests.support.ioc_case import until_true
from tests.support.local_case import LocalTestCase
from tests.support.memory_gateway import SinkRecorder
from tests.support.version2_case import send_request

WITHOUT_WRITES = Policy()


class LocTests(LocalTestCase):
    """loc://"""

    @inlineCallbacks
    def test_initial(self) -> Any:
        """The name contains the type and the initial value, as in Phoebus."""
        client = yield self.start()
        for bare, kind, value in (
            ("plain", "double", 0),
            ("number(5.5)", "double", 5.5),
            ("negative( -1e3 )", "double", -1000),
            ('text("Hello, (world)")', "string", "Hello, (world)"),
            (r'quoted("say \"hi\"")', "string", 'say "hi"'),
            ("array(1, 2.5,3)", "double", [1, 2.5, 3]),
            ('strings("a", "b")', "string", ["a", "b"]),
            ("whole<VLong>(42)", "int64", 42),
            ("whole2<VLong>", "int64", 0),
            ("whole3<VLong>(1e10)", "int64", 10**10),
            ("hex(0x1F)", "double", 31),
            ("nan(NaN)", "double", None),
            (r'path("C:\temp")', "string", r"C:\temp"),
            ('mixed(1, "b")', "string", ["1", "b"]),
            ("word<VString>(Fred)", "string", "Fred"),
            ("words<VStringArray>(a, b c)", "string", ["a", "b c"]),
            ("state2<VEnum>(0, Off, On)", "enum", 0),
            ("short<double>(3)", "double", 3),
            ('one<VStringArray>("a")', "string", ["a"]),
            ("empty<VDoubleArray>", "double", []),
            ('state<VEnum>(1, "Off", "On")', "enum", 1),
        ):
            name = f"loc://{bare}"
            reply = yield self.value(client, name)
            self.assertEqual(reply, value, name)
            info = yield send_request(client, "info", pv=name)
            self.assertEqual(info["type"], kind, name)
            self.assertEqual(info["count"] != 1, isinstance(value, list), name)
            self.assertTrue(info["write_access"], name)
        self.assertEqual(info["enum_strs"], ["Off", "On"])

    @inlineCallbacks
    def test_shared(self) -> Any:
        """All clients share a PV by the name before its parentheses; the first one decides."""
        client = yield self.start()
        other = yield self.fixture.connect()
        for each, name in ((client, "loc://x(5)"), (other, 'loc://x<VString>("no")')):
            each.send({"action": "connect", "pv": name})
            yield each.until(msg_type="monitor", value=5)
        reply = yield send_request(other, "put", pv="loc://x", value=7)
        self.assertTrue(reply["ok"])
        for each in (client, other):
            yield each.until(msg_type="monitor", value=7)

    @inlineCallbacks
    def test_gone(self) -> Any:
        """After the linger time without clients, the PV is deleted."""
        client = yield self.start()
        client.send({"action": "connect", "pv": "loc://x(5)"})
        yield client.until(msg_type="monitor", value=5)
        yield send_request(client, "put", pv="loc://x(5)", value=6)
        client.send({"action": "disconnect", "pv": "loc://x(5)"})
        yield until_true(lambda: not len(self.fixture.gateway.hub))
        reply = yield self.value(client, "loc://x(5)")
        self.assertEqual(reply, 5)

    @inlineCallbacks
    def test_writes(self) -> Any:
        """A value of another type is refused, with what was expected."""
        client = yield self.start()
        for bare, good, bad in (
            ("d", [1, 2.5], ["x", None, [1], True]),
            ("l<VLong>", [1, 2.0], [1.5, "x", 2.0**63, None]),
            ('s("x")', ["", "Grüezi"], [1, None, "x" * 20_000]),
            ('e<VEnum>(0,"Off","On")', [1, "On"], ["Gone", 2, -1, 0.5]),
            ("a<VDoubleArray>", [[], [1, 2]], [1, ["x"], [0] * 20_000]),
            ("t<VStringArray>", [[], ["a", "b"]], ["a", [1], ["x" * 20_000]]),
        ):
            name = f"loc://{bare}"
            client.send({"action": "connect", "pv": name})
            yield client.until(msg_type="monitor", pvname=name)
            for value in good:
                reply = yield send_request(client, "put", pv=name, value=value)
                self.assertTrue(reply.get("ok"), (name, value, reply))
            for value in bad:
                reply = yield send_request(client, "put", pv=name, value=value)
                self.assertEqual(reply.get("code"), "bad_value", (name, value, reply))

    @inlineCallbacks
    def test_bad_names(self) -> Any:
        """For an invalid name of a local PV, the error says why."""
        client = yield self.start()
        for name, text in (
            ("x<VImage>", "no type <VImage>"),
            ("x(1 2)", "expected commas between numbers"),
            ("x(1,,2)", "separated by commas"),
            ("x(1, ,2)", "expected a number or a quoted string, got ''"),
            ("x(1_0)", "expected a number or a quoted string, got '1_0'"),
            ("x(1, 2", "expected a name such as"),
            ("(5)", "expected a name such as"),
            ("x(a)", "expected a number or a quoted string, got 'a'"),
            ("x(1,)", "separated by commas"),
            ("x<VEnum>", "an index and labels"),
            ('x<VEnum>(5,"A")', "an index and labels"),
            ("x<VLong>(1.5)", "expected a whole number"),
            ("x<VDouble>(1,2)", "expected one value"),
        ):
            client.send({"action": "connect", "pv": f"loc://{name}"})
            error = yield client.until(msg_type="error")
            self.assertEqual((error["code"], error["pvname"]), ("refused", f"loc://{name}"))
            self.assertIn(text, error["message"])
            reply = yield send_request(client, "get", pv=f"loc://{name}")
            self.assertEqual(reply["code"], "refused", name)
            self.assertIn(text, reply["message"])


class RuleTests(LocalTestCase):
    """Access to the gateway's own PVs."""

    @inlineCallbacks
    def test_no_writers(self) -> Any:
        """Clients that may not write PVs may not write these."""
        self.policy = WITHOUT_WRITES
        client = yield self.start()
        reply = yield send_request(client, "put", pv="loc://x", value=1)
        self.assertEqual(reply["code"], "forbidden")

    @inlineCallbacks
    def test_judged_by_scheme(self) -> Any:
        """Rules use the whole name: a rule for a record does not apply to these PVs."""
        self.policy = Policy(parse_pvlist("EVALUATION ORDER ALLOW, DENY\nx ALLOW\nloc://y ALLOW\n"))
        client = yield self.start()
        for name, message in (("x", "forbidden"), ("y", None)):
            reply = yield send_request(client, "get", pv=f"loc://{name}")
            self.assertEqual(reply.get("code"), message, name)


class SimTests(LocalTestCase):
    """sim://"""

    @inlineCallbacks
    def test_flipflop(self) -> Any:
        """The PV that display programs use to keep connections alive."""
        client = yield self.start()
        client.send({"action": "connect", "pv": "sim://flipflop(0.05)"})
        came = []
        for _ in range(5):
            update = yield client.until(msg_type="monitor")
            came.append(update["value"])
        self.assertEqual(came, [1, 0, 1, 0, 1])
        info = yield send_request(client, "info", pv="sim://flipflop(29.929)")
        self.assertEqual((info["type"], info["enum_strs"]), ("enum", ["false", "true"]))
        self.assertFalse(info["write_access"])
        reply = yield send_request(client, "put", pv="sim://flipflop(0.05)", value=1)
        self.assertEqual(reply["code"], "forbidden")

    @inlineCallbacks
    def test_intermittent(self) -> Any:
        """It connects and disconnects."""
        client = yield self.start()
        client.send({"action": "connect", "pv": "sim://intermittentChannel(0.05, 4)"})
        for _ in range(2):
            yield client.until(msg_type="connection", conn=True)
            update = yield client.receive()
            self.assertEqual(update["value"], 4)
            yield client.until(msg_type="connection", conn=False)

    @inlineCallbacks
    def test_bad_names(self) -> Any:
        """For an invalid simulation, the error says why."""
        client = yield self.start()
        for name, text in (
            ("dance", "there is no simulation 'dance'; expected one of const, sine"),
            ("sine(1)", "expected 0 or 3 or 4 numbers for sine, got 1"),
            ('sine("a","b","c")', "expected numbers"),
            ("sine(nan,1,1)", "expected finite numbers"),
            ("sinewave(1,1,1000000,1)", "expected a size from 1 to 10000"),
        ):
            client.send({"action": "connect", "pv": f"sim://{name}"})
            error = yield client.until(msg_type="error")
            self.assertIn(text, error["message"])


class SimulationTests(SynchronousTestCase):
    """Simulations, on a clock that the test controls."""

    def values(self, name: str, number: int, step: float) -> list[Any]:
        """Return the first values of a PV."""
        clock = Clock()
        sink = SinkRecorder()
        backend = SimulationBackend(clock, now=clock.seconds)
        backend.open(name, sink)
        for _ in range(number - 1):
            clock.advance(step)
        backend.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
        return [value for kind, value in sink.received if kind == "reading"]

    def test_forms(self) -> None:
        """Each simulation has the same arguments as in Phoebus."""
        for name, number in (
            *(("sine", 0), ("sine", 3), ("sine", 4), ("ramp", 0), ("ramp", 3), ("ramp", 4)),
            *(("noise", 0), ("noise", 3), ("gaussianNoise", 0), ("gaussianNoise", 3)),
            *(("sinewave", 0), ("sinewave", 4), ("sinewave", 6), ("sineWaveform", 0)),
            *(("sawtooth", 0), ("sawtoothWaveform", 4), ("sawtooth", 6)),
            *(("noisewave", 0), ("noiseWaveform", 3), ("noisewave", 4)),
            *(("gaussianWave", 0), ("gaussianWave", 4), ("flipflop", 0), ("flipflop", 1)),
            *(("const", 0), ("const", 1), ("strings", 0), ("strings", 1), ("strings", 2)),
            *(("intermittentChannel", number) for number in range(4)),
        ):
            arguments = ",".join(map(str, [1, 2, 3, 0.5, 5, 6][:number]))
            values = self.values(f"{name}({arguments})" if number else name, 3, 10)
            self.assertGreaterEqual(len(values), 1, (name, number))

    def test_ramp(self) -> None:
        """Steps up, and again from the lower limit; or down from the upper one."""
        self.assertEqual(self.values("ramp(0, 3, 1)", 6, 1), [0, 1, 2, 3, 0, 1])
        self.assertEqual(self.values("ramp(0, 1, 0.5, 1)", 4, 1), [0, 0.5, 1, 0])
        self.assertEqual(self.values("ramp(0, 2, -1, 1)", 6, 1), [0, 2, 1, 0, 2, 1])

    def test_sine(self) -> None:
        """Within the limits, one period in this number of steps."""
        values = self.values("sine(0, 10, 4, 1)", 5, 1)
        for got, expected in zip(values, [5, 10, 5, 0, 5], strict=True):
            self.assertAlmostEqual(got, expected)

    def test_waves(self) -> None:
        """Waves move with time."""
        for name in ("sinewave(10, 8, 16, 1)", "gaussianWave(10, 4, 16, 1)"):
            first, second = self.values(name, 2, 1)
            self.assertEqual((len(first), len(second)), (16, 16))
            self.assertGreater(abs(first - second).max(), 0.01, name)

    def test_sawtooth(self) -> None:
        """From the lower to the upper limit, once in a wavelength."""
        (wave,) = self.values("sawtooth(0, 5, 10, 1, -2, 2)", 1, 1)
        np.testing.assert_allclose(wave, [-2, -1.04, -0.08, 0.88, 1.84] * 2, atol=1e-9)

    def test_blanks(self) -> None:
        """Blanks may separate numbers."""
        self.assertEqual(self.values("ramp(0 3  1)", 3, 1), [0, 1, 2])

    def test_alarms(self) -> None:
        """Scalars have alarms near their limits: within a tenth, and a fifth, of the range."""
        model = simulation(LocalName.parse("sine(0, 10, 1)"))
        names = [
            (STATUSES[status], SEVERITIES[severity])
            for status, severity in map(model.alarm, (0.0, 1.0, 1.5, 2.0, 5.0, 8.0, 8.5, 9.0))
        ]
        low, high = [("LOLO", "MAJOR")] * 2, [("HIHI", "MAJOR")]
        warned = [[(status, "MINOR")] * 2 for status in ("LOW", "HIGH")]
        self.assertEqual(names, [*low, *warned[0], ("NO_ALARM", "NO_ALARM"), *warned[1], *high])
        sink = SinkRecorder()
        backend = SimulationBackend(Clock())
        handle = backend.open("sine(-8, 8, 4, 1)", sink)
        self.assertEqual(self.successResultOf(handle.get()).severity, 0)
        self.assertEqual(simulation(LocalName.parse("const(99)")).alarm(99.0), (0, 0))
        backend.stop()

    def test_strings_and_constants(self) -> None:
        """Strings grow; constants stay, and have the types of loc:// PVs."""
        self.assertEqual(self.values("strings(3, 1)", 5, 1), ["A", "AA", "AAA", "A", "AA"])
        self.assertEqual(self.values("const(5)", 3, 1), [5])
        self.assertEqual(self.values('const("x")', 3, 1), ["x"])

    def test_noise(self) -> None:
        """Within the limits, and never the same."""
        values = self.values("noise(2, 3, 1)", 20, 1)
        self.assertTrue(all(2 <= value <= 3 for value in values), values)
        self.assertTrue(any(a != b for a, b in pairwise(values)))


class BoundTests(SynchronousTestCase):
    """Limits of local PVs."""

    def test_simulations(self) -> None:
        """More work than the limit is refused, until other PVs are closed."""
        clock = Clock()
        backend = SimulationBackend(clock)
        self.patch(sim, "MAX_WORK", 250)
        sinks = [SinkRecorder() for _ in range(4)]
        handles = [
            backend.open(f"sine(0,{number},0.001)", sink) for number, sink in enumerate(sinks)
        ]
        kinds = [sink.received[0][0] for sink in sinks]
        self.assertEqual(kinds, ["metadata", "metadata", "refused", "refused"])
        handles[0].close()
        sink = SinkRecorder()
        backend.open("sine(0,9,0.001)", sink)
        self.assertEqual(sink.received[0][0], "metadata")
        backend.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_large_waves(self) -> None:
        """The work of a wave is proportional to its elements."""
        backend = SimulationBackend(Clock())
        self.patch(sim, "MAX_WORK", 150)
        sink = SinkRecorder()
        backend.open("sinewave(1, 10, 10000, 0.1)", sink)
        self.assertEqual(sink.received[0][0], "refused")

    def test_local(self) -> None:
        """The number of local PVs is limited."""
        self.patch(loc, "MAX_PVS", 3)
        backend = LocalBackend()
        sinks = [SinkRecorder() for _ in range(4)]
        handles = [backend.open(f"x{number}", sink) for number, sink in enumerate(sinks)]
        self.assertEqual(sinks[3].received[0][0], "refused")
        handles[0].close()
        backend.open("x4", sinks[3])
        self.assertEqual(sinks[3].received[1][0], "metadata")
