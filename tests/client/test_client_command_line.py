"""`python -m pycawamp.client` as a child process, at a real gateway."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks

from tests.support.client_case import ClientTestCase
from tests.support.client_process import CommandLine, run, run_in_process

X = f"{'X':<30} "


class CommandLineTests(ClientTestCase):
    """Each command, its output and its exit status."""

    @inlineCallbacks
    def test_get(self) -> Any:
        """`get` prints a line for each PV, in the order of the arguments; or JSON; or an error."""
        yield self.start()
        text, as_json = yield gatherResults(
            [
                run(self.url, "get", "X", "M", "nonesuch", "A", "S"),
                run_in_process(self.url, "get", "--json", "A", "M"),
            ]
        )
        lines = [f"{X}1.50", f"{'M':<30} Busy", "A 3 1 nan 3", "S 2 one two"]
        self.assertEqual(text.lines, lines)
        self.assertEqual((text.err, text.status), ("nonesuch: not connected\n", 1))
        array, mode = map(json.loads, as_json.lines)
        self.assertEqual((array["msg_type"], array["pvname"]), ("value", "A"))
        self.assertEqual((array["value"], array["count"]), ([1.0, None, 3.0], 3))
        self.assertEqual((mode["value"], mode["text"], mode["severity"]), (1, "Busy", "NO_ALARM"))
        self.assertEqual((as_json.err, as_json.status), ("", 0))

    @inlineCallbacks
    def test_info(self) -> Any:
        """`info` prints a PV's metadata, formatted or as JSON."""
        yield self.start()
        text, as_json = yield gatherResults(
            [run(self.url, "info", "M"), run_in_process(self.url, "--json", "info", "X", "M")]
        )
        self.assertEqual((text.lines[0], text.err, text.status), ("M", "", 0))
        self.assertIn("    Native data type: DBF_ENUM", text.lines)
        self.assertIn("                      [ 1] Busy", text.lines)
        described = [json.loads(line) for line in as_json.lines]
        self.assertEqual([each["type"] for each in described], ["double", "enum"])
        self.assertEqual(described[0]["precision"], 2)
        self.assertEqual(described[1]["enum_strs"], ["Idle", "Busy"])

    @inlineCallbacks
    def test_put(self) -> Any:
        """`put` writes, and prints the old and the new value, formatted or as JSON."""
        yield self.start()
        text, as_json = yield gatherResults(
            [
                run(self.url, "put", "X", "-2.5e0"),
                run_in_process(self.url, "put", "--json", "M", "Idle"),
            ]
        )
        self.assertEqual(text.lines, [f"Old : {X}1.50", f"New : {X}-2.50"])
        written = json.loads(as_json.out)
        self.assertEqual((written["msg_type"], written["pvname"]), ("put", "M"))
        self.assertEqual((written["old"]["text"], written["new"]["text"]), ("Busy", "Idle"))
        self.assertEqual((text.status, as_json.status), (0, 0))

    @inlineCallbacks
    def test_monitor(self) -> Any:
        """`monitor` continues when its gateway is back, and ends with Ctrl-C: exit status 0."""
        yield self.start()
        monitor = CommandLine(self.url, "monitor", "X")
        yield monitor.until("1.50")
        yield self.stop()
        yield monitor.until("*** disconnected")
        self.backend.set("X", 3.0)
        yield self.start()
        yield monitor.until("3.00")
        monitor.interrupt()
        ended = yield monitor.ended
        self.assertEqual(
            [line.split()[-1] for line in ended.lines], ["1.50", "disconnected", "3.00"]
        )
        [output] = ended.err.splitlines()
        self.assertEqual(output, f"lost {self.url}: the gateway is stopping; reconnecting")
        self.assertEqual(ended.status, 0)

    @inlineCallbacks
    def test_closed_pipe(self) -> Any:
        """When its output is closed, as after `| head -1`, it ends without a message."""
        yield self.start()
        monitor = CommandLine(self.url, "monitor", "--json", "X")
        yield monitor.until('"value":1.5')
        monitor.close_stdout()
        self.backend.set("X", 2.0)
        self.backend.set("X", 3.0)
        ended = yield monitor.ended
        self.assertEqual((ended.err, ended.status), ("", 0))

    @inlineCallbacks
    def test_no_gateway(self) -> Any:
        """Without a gateway, it prints one line; --help describes the usage."""
        yield self.start()
        yield self.stop()
        host = self.url.removeprefix("ws://").removesuffix("/monitor")
        refused, helped = yield gatherResults([run(host, "get", "X", "M"), run("--help")])
        line = f"cannot reach {self.url}: connection refused\n"
        self.assertEqual((refused.out, refused.err, refused.status), ("", line, 1))
        for text in ("monitor", "info", "--insecure", "demo:setpoint 42", "PYCASERVER_TOKEN"):
            self.assertIn(text, helped.out)
        self.assertEqual((helped.err, helped.status), ("", 0))
