"""The commands of `python -m pycawamp.client`, run in this process at a real gateway."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.access import Policy
from tests.support.client_case import ClientTestCase, Secretive
from tests.support.client_process import Ended, run_in_process
from tests.support.watched_stream import Watched

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}"
X = f"{'X':<30} "


class FullDisk(io.StringIO):
    """A stream that cannot be written."""

    def write(self, text: str) -> int:
        """Fail as with a full disk."""
        raise OSError(28, "No space left on device")


class CommandTests(ClientTestCase):
    """Commands run in this process."""

    def run_line(self, *line: str, out: io.StringIO | None = None) -> Deferred[Ended]:
        """Fires with how a command line ended."""
        ended: Deferred[Ended] = run_in_process(self.url, *line, out=out)
        return ended

    @inlineCallbacks
    def test_get_formats(self) -> Any:
        """`get` prints wide and terse lines, numbers for enums, and floats as chosen."""
        yield self.start()
        wide = yield self.run_line("get", "-a", "-f", "1", "X")
        self.assertRegex(wide.out, rf"^{X}{STAMP} 1\.5  \n$")
        terse = yield self.run_line("get", "-t", "-n", "M", "X")
        self.assertEqual(terse.lines, ["1", "1.50"])

    @inlineCallbacks
    def test_put_formats(self) -> Any:
        """With -t, `put` prints only the new value; with -a, it takes a counted array."""
        yield self.start()
        terse = yield self.run_line("put", "-t", "--no-wait", "X", "7")
        self.assertEqual((terse.lines, terse.status), (["7.00"], 0))
        array = yield self.run_line("put", "-a", "A", "2", "8", "9")
        self.assertEqual(array.lines, ["Old : A 3 1 nan 3", "New : A 2 8 9"])

    @inlineCallbacks
    def test_errors(self) -> Any:
        """Each failure is one line on stderr and exit status 1; the rest is printed."""
        yield self.start(Secretive())
        get = yield self.run_line("get", "nonesuch", "X", "secret")
        refused = "secret: forbidden: this gateway does not let you read it"
        self.assertEqual((get.lines, get.status), ([f"{X}1.50"], 1))
        self.assertEqual(get.err.splitlines(), ["nonesuch: not connected", refused])
        for line, complaint in [
            (("put", "X", "much"), "X: bad value: expected a number, got the string 'much'"),
            (("put", "-a", "A", "3", "1"), "A: bad value: expected 3 elements"),
            (("put", "nonesuch", "1"), "nonesuch: not connected"),
            (("info", "nonesuch"), "nonesuch: not connected"),
            (("monitor", "secret"), refused),
        ]:
            ended = yield self.run_line(*line)
            [output] = ended.err.splitlines()
            self.assertEqual((output[: len(complaint)], ended.status), (complaint, 1))

    @inlineCallbacks
    def test_no_write_access(self) -> Any:
        """A put that is not allowed prints the error, after the old value."""
        yield self.start(Policy())
        ended = yield self.run_line("put", "X", "1")
        self.assertEqual((ended.lines, ended.status), ([f"Old : {X}1.50"], 1))
        self.assertEqual(ended.err, "X: forbidden: this gateway does not let you write it\n")

    @inlineCallbacks
    def test_monitor(self) -> Any:
        """`monitor` prints updates, alarms, losses and missing PVs, up to its count."""
        yield self.start()
        self.backend.set("X", 99.0, severity=2, status=3)
        out = Watched()
        running = self.run_line("monitor", "--count", "3", "X", "M", "nonesuch", out=out)
        for text in ("99.00", "Busy", "Not connected"):
            yield out.until(text)
        self.backend.remove("M")
        yield out.until("disconnected")
        self.backend.set("X", 2.0)
        ended = yield running
        self.assertEqual((ended.err, ended.status), ("", 0))
        for line in [
            rf"{X}{STAMP} 99\.00 HIHI MAJOR",
            rf"M {{29}} {STAMP} Busy  ",
            r"nonesuch {22} \*\*\* Not connected \(no IOC has answered since \S+\)",
            rf"M {{29}} {STAMP} \*\*\* disconnected \(the IOC was lost at \S+\)",
            rf"{X}{STAMP} 2\.00  ",
        ]:
            self.assertTrue([each for each in ended.lines if re.fullmatch(line, each)], ended.out)

    @inlineCallbacks
    def test_monitor_json(self) -> Any:
        """`monitor --json` prints one object per line, also for connections, like the gateway."""
        yield self.start()
        ended = yield self.run_line("monitor", "--json", "--count", "1", "A")
        connection, update = map(json.loads, ended.lines)
        self.assertEqual(connection, {"msg_type": "connection", "pvname": "A", "conn": True})
        self.assertEqual((update["msg_type"], update["value"]), ("monitor", [1.0, None, 3.0]))

    @inlineCallbacks
    def test_cannot_print(self) -> Any:
        """If results cannot be printed, it ends with a line and exit status 1."""
        yield self.start()
        for line in (("monitor", "X"), ("get", "X")):
            ended = yield self.run_line(*line, out=FullDisk())
            self.assertEqual(ended.err, "cannot print: No space left on device\n")
            self.assertEqual(ended.status, 1)
