"""The command line at a real IOC: negative whole numbers, exact stamps, empty arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from tests.support.client_process import Ended, run_in_process
from tests.support.version2_case import V2TestCase

RECORDS = """
record(longout, "$(P)long") { field(VAL, "-1") field(PINI, "YES") }
record(waveform, "$(P)shorts") { field(FTVL, "SHORT") field(NELM, "3") }
record(waveform, "$(P)float") { field(FTVL, "FLOAT") field(NELM, "1") field(PREC, "7") }
record(int64out, "$(P)whole") { field(FLNK, "$(P)digits") }
record(stringin, "$(P)digits") { field(INP, "$(P)whole") }
"""
STAMP = re.compile(r'"timestamp":(\d+\.\d+)')


class NumberCommandTests(V2TestCase):
    """Each command, with numbers that are hard to show."""

    @inlineCallbacks
    def run_on(
        self, command: str, name: str, *arguments: str
    ) -> Generator[Deferred[Any], Any, Ended]:
        """Run a command on a record; it must succeed."""
        ended: Ended = yield run_in_process(self.url, command, self.prefix + name, *arguments)
        self.assertEqual((ended.status, ended.err), (0, ""), (command, name, arguments))
        return ended

    @inlineCallbacks
    def start_all_for_commands(self) -> Generator[Deferred[Any], Any, Any]:
        """Run all; fires with the IOC and a client."""
        ioc, fixture, client = yield self.start_all(RECORDS)
        self.url = fixture.url
        return ioc, client

    @inlineCallbacks
    def test_negative(self) -> Any:
        """Negative whole numbers are shown by `get`, `monitor` and `put`, alone and in arrays."""
        yield self.start_all_for_commands()
        for command, arguments, last in [
            ("get", (), "-1"),
            ("monitor", ("--count", "1"), "-1"),
            ("put", ("-7",), "-7"),
            ("get", ("-n",), "-7"),
        ]:
            ended = yield self.run_on(command, "long", *arguments)
            self.assertEqual(ended.lines[-1].split()[-1], last)
        ended = yield self.run_on("put", "shorts", "-1", "2", "-32768")
        self.assertEqual(
            ended.lines[-1].split()[2:], [self.prefix + "shorts", "3", "-1", "2", "-32768"]
        )

    @inlineCallbacks
    def test_digits(self) -> Any:
        """Whole numbers are written with all digits; single precision is shown as in EPICS."""
        _, client = yield self.start_all_for_commands()
        yield self.run_on("put", "whole", "-9007199254740993")
        digits = yield self.value(client, "digits")
        self.assertEqual(digits, "-9007199254740993")
        ended = yield self.run_on("put", "float", "0.3")
        got = yield self.send_request(client, "get", "float", text=True)
        self.assertEqual(ended.lines[-1].split()[-1], got["text"])

    @inlineCallbacks
    def test_stamps(self) -> Any:
        """--json prints all nine digits of a time stamp, as sent by the gateway."""
        _, client = yield self.start_all_for_commands()
        for name, value in [("long", 5), ("shorts", [1, 2])]:
            yield self.put(client, name, value)
            yield self.send_request(client, "get", name)
            [sent] = STAMP.findall(client.payloads[-1].decode())
            for command, arguments in [("get", ()), ("monitor", ("--count", "1"))]:
                ended = yield self.run_on(command, name, "--json", *arguments)
                update = json.loads(ended.lines[-1], parse_float=str)
                self.assertEqual(update["timestamp"], sent)

    @inlineCallbacks
    def test_empty(self) -> Any:
        """`put -a NAME 0` empties an array."""
        _, client = yield self.start_all_for_commands()
        yield self.put(client, "shorts", [1, 2])
        ended = yield self.run_on("put", "shorts", "-a", "0")
        held = yield self.value(client, "shorts")
        self.assertEqual((held, ended.lines[-1].split()[-1]), ([], "0"))
