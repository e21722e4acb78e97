"""The demo's records on a real IOC: each one listed exists and behaves as described."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IReactorProcess
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.demo.process import SoftIOC
from pycawamp.demo.records import DATABASE, GROUPS, RECORDS
from pycawamp.service.ports import demo_text
from tests.support.ca_client import run_client
from tests.support.timing import allowed

reactor = cast(IReactorProcess, installed_reactor)

LOOK = """
updates = {}
enough, lock = threading.Event(), threading.Lock()
def keep(pvname, value, severity, timestamp, **_):
    with lock:
        value = value.tolist() if hasattr(value, "tolist") else value
        updates.setdefault(pvname, []).append((value, severity, timestamp))
        if all(len(updates.get(name, [])) >= count for name, count in NAMES.items()):
            enough.set()
pvs = {name: epics.PV(name, form="time", callback=keep) for name in NAMES}
if not enough.wait(15):
    sys.exit(f"too few updates: { {name: len(seen) for name, seen in updates.items()} }")
with lock:
    seen = {name: list(them) for name, them in updates.items()}
for pv in pvs.values():
    pv.get_ctrlvars()
fields = {
    name: {
        "type": pv.type, "count": pv.count, "units": pv.units, "precision": pv.precision,
        "limits": [pv.lower_disp_limit, pv.upper_disp_limit], "states": pv.enum_strs,
    }
    for name, pv in pvs.items()
}
answer([seen, fields])
"""
WAYS_OF_SETPOINT = """
pv = epics.PV("demo:setpoint", form="ctrl")
def put(value):
    pv.put(value, wait=True)
    return [pv.get(use_monitor=False), pv.severity]
answer({
    "reached": [put(value) for value in (50, 85, 95, 7, 2, 1000, -1000)],
    "drive": [pv.lower_ctrl_limit, pv.upper_ctrl_limit],
    "alarm": [pv.lower_alarm_limit, pv.lower_warning_limit,
              pv.upper_warning_limit, pv.upper_alarm_limit],
})
"""
# How many updates of each to see, the present value included.
UPDATES = {
    "demo:sine": 12,
    "demo:counter": 3,
    "demo:ramp": 101,
    "demo:switch": 3,
    "demo:mode": 6,
    "demo:text": 1,
    "demo:clock": 2,
    "demo:message": 1,
    "demo:waveform": 4,
    "demo:alarm": 5,
    "demo:setpoint": 1,
    "demo:unitless": 2,
    "demo:nan": 1,
}
# The leisurely ones are hurried, once their own rate has been looked at.
SLOW = {
    "demo:alarm": "2 second",
    "demo:switch:step": "2 second",
    "demo:mode:step": "2 second",
    "demo:counter:step": "1 second",
    "demo:unitless": "1 second",
}


class RecordTests(TestCase):
    """The records on a real IOC."""

    def start(self) -> Deferred[None]:
        """Starts the IOC, for this test only."""
        self.ioc = SoftIOC(reactor, [DATABASE], "P=demo:")
        self.addCleanup(self.ioc.stop)
        return self.ioc.start()

    @inlineCallbacks
    def test_as_listed(self) -> Any:
        """Each record changes, or does not change, as its line in the list says."""
        yield self.start()
        printed = [line for line in self.ioc.output if "not achievable" not in line]
        self.assertNotRegex("\n".join(printed), "(?i)error|warning")
        for name, rate in SLOW.items():
            shown = yield self.ioc.query(f"dbgf {name}.SCAN")
            self.assertIn(f'"{rate}"', shown)
            self.ioc.command(f'dbpf("{name}.SCAN", ".1 second")')
        client = yield run_client(reactor, self.ioc.ports, f"NAMES = {UPDATES!r}\n{LOOK}")
        self.updates, self.fields = client.answer
        self.assertEqual(set(self.updates), set(RECORDS))
        self._check_numbers()
        self._check_states()
        self._check_text()
        self._check_waveform()
        self._check_fields()

    def values(self, name: str) -> list[Any]:
        """Return the values that were received of a record."""
        return [value for value, _, _ in self.updates[name]]

    def severities(self, name: str) -> set[int]:
        """Return the severities that were received of a record."""
        return {severity for _, severity, _ in self.updates[name]}

    def hertz(self, name: str) -> float:
        """Return the number of updates by the record's time stamps, without the first value."""
        stamps = [stamp for _, _, stamp in self.updates[name][1:]]
        return float((len(stamps) - 1) / (stamps[-1] - stamps[0]))

    def _check_numbers(self) -> None:
        self.assertApproximates(self.hertz("demo:sine"), 10, allowed(1))
        self.assertTrue(all(-10 <= value <= 10 for value in self.values("demo:sine")))
        self.assertApproximates(self.hertz("demo:ramp"), 100, allowed(10))
        ramp = self.values("demo:ramp")[1:]
        steps = {round(later - earlier, 6) for earlier, later in pairwise(ramp)}
        self.assertLessEqual(steps, {0.1, -99.9})
        first, *others = self.values("demo:counter")
        self.assertEqual(others, [first + 1 + n for n in range(len(others))])
        self.assertEqual(self.severities("demo:alarm"), {0, 1, 2, 3})
        self.assertTrue(all(0 <= value <= 1 for value in self.values("demo:unitless")))
        nan = self.values("demo:nan")[-1]
        self.assertNotEqual(nan, nan)

    def _check_states(self) -> None:
        self.assertEqual(set(self.values("demo:switch")), {0, 1})
        self.assertEqual(self.fields["demo:switch"]["states"], ["Off", "On"])
        self.assertEqual(set(self.values("demo:mode")), {0, 1, 2, 3, 4})
        self.assertEqual(self.severities("demo:mode"), {0, 2})
        self.assertEqual(len(self.fields["demo:mode"]["states"]), 5)

    def _check_text(self) -> None:
        self.assertEqual(self.values("demo:text"), ["Grüezi from EPICS"])
        self.assertRegex(self.values("demo:clock")[-1], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
        [codes] = self.values("demo:message")
        message = bytes(codes).decode()
        self.assertGreater(len(message), 40)
        self.assertIn("an array of characters", message)

    def _check_waveform(self) -> None:
        waves = self.values("demo:waveform")
        self.assertEqual({len(wave) for wave in waves}, {1000})
        self.assertApproximates(self.hertz("demo:waveform"), 10, allowed(2))
        for wave, following in pairwise(waves[1:]):
            self.assertEqual(wave[4:], following[:-4])
            self.assertNotEqual(wave, following)

    def _check_fields(self) -> None:
        types = {
            "counter": "time_long",
            "switch": "time_enum",
            "mode": "time_enum",
            "text": "time_string",
            "clock": "time_string",
            "message": "time_char",
        }
        for name, fields in self.fields.items():
            expected = types.get(name.removeprefix("demo:"), "time_double")
            self.assertEqual((name, fields["type"]), (name, expected))
            if expected in ("time_double", "time_long"):
                self.assertLess(*fields["limits"])
                self.assertEqual((name, bool(fields["units"])), (name, name != "demo:unitless"))
        self.assertEqual(self.fields["demo:setpoint"]["units"], "°C")

    @inlineCallbacks
    def test_setpoint(self) -> Any:
        """The setpoint can be set, is limited to its drive limits and has all its alarms."""
        yield self.start()
        client = yield run_client(reactor, self.ioc.ports, WAYS_OF_SETPOINT)
        self.assertEqual(
            client.answer["reached"],
            [[50, 0], [85, 1], [95, 2], [7, 1], [2, 2], [100, 2], [0, 2]],
        )
        self.assertEqual(client.answer["drive"], [0, 100])
        self.assertEqual(client.answer["alarm"], [5, 10, 80, 90])


class ListTests(SynchronousTestCase):
    """The list compared with the text of the database."""

    def test_complete(self) -> None:
        """Every record for users is listed, and nothing else."""
        text = Path(DATABASE).read_text(encoding="utf-8")
        names = {
            "demo:" + name
            for name in re.findall(r'^record\(\w+, "\$\(P=demo:\)(\w+)"\)', text, re.M)
        }
        self.assertEqual(names, set(RECORDS))
        self.assertEqual(names, set(UPDATES))

    def test_shown(self) -> None:
        """A gateway names them all when it starts, and so does README."""
        readme = Path(__file__).parents[2] / "README.md"
        shown_text = demo_text("http://localhost:8888/").splitlines()
        lines = {line.split()[0] for line in shown_text if line.startswith("  ")}
        for name in (*RECORDS, *GROUPS):
            self.assertIn(name, lines)
            self.assertIn(f"| `{name}` |", readme.read_text())

    def test_described(self) -> None:
        """Every record has a description."""
        text = Path(DATABASE).read_text(encoding="utf-8")
        for body in re.split(r"^record\(", text, flags=re.M)[1:]:
            self.assertRegex(body, r'field\(DESC, ".+"\)')
