"""The output and the arguments of the command line."""

from __future__ import annotations

import io
import math
from contextlib import redirect_stderr
from typing import Any

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import FieldType, GatewayError, Metadata, Update
from pycawamp.client.arguments import Arguments, parse
from pycawamp.client.putting import value_to_put
from pycawamp.client.show import (
    Style,
    description,
    escaped,
    not_connected_line,
    short_line,
    time_text,
    value_text,
    wide_line,
)

DOUBLE = Metadata(FieldType.DOUBLE, 1, precision=2)
LONG = Metadata(FieldType.LONG, 1)
MODE = Metadata(FieldType.ENUM, 1, enum_strs=("Idle", "Busy"))
TEXT = Metadata(FieldType.STRING, 1)
DOUBLES = Metadata(FieldType.DOUBLE, 5, precision=1)
CHARS = Metadata(FieldType.CHAR, 10)
TREE = Metadata(FieldType.STRUCTURE, 1)
PLAIN = Style()


def update(value: Any, severity: str = "NO_ALARM", status: str = "NO_ALARM") -> Update:
    """An update of X with this value."""
    return Update("X", value, 1, 1700000000.25, severity=severity, status=status)


class ValueTextTests(SynchronousTestCase):
    """value_text."""

    def test_scalars(self) -> None:
        """Scalars have the record's digits, enums their labels."""
        for value, metadata, text in [
            (1.234, DOUBLE, "1.23"),
            (math.nan, DOUBLE, "nan"),
            (-math.inf, DOUBLE, "-inf"),
            (1.23456789, None, "1.23457"),
            (5, LONG, "5"),
            (1, MODE, "Busy"),
            (7, MODE, "7"),
            ("a b", TEXT, "a b"),
            (None, DOUBLE, "*** no value"),
        ]:
            self.assertEqual(value_text(update(value), metadata, PLAIN), text)

    def test_styles(self) -> None:
        """Enums are shown as numbers, and floating point in a given format, if requested."""
        self.assertEqual(value_text(update(1), MODE, Style(numbers=True)), "1")
        for floats, text in [(".3e", "1.234e+00"), (".0f", "1"), (".2g", "1.2")]:
            self.assertEqual(value_text(update(1.234), DOUBLE, Style(floats=floats)), text)

    def test_arrays(self) -> None:
        """Arrays have their length first, then all elements or the first ones."""
        array = update(np.array([1.0, 2.55, math.nan]))
        self.assertEqual(value_text(array, DOUBLES, PLAIN), "3 1.0 2.5 nan")
        self.assertEqual(value_text(array, DOUBLES, Style(max_elements=1)), "1 1.0")
        self.assertEqual(value_text(update(np.array([])), DOUBLES, PLAIN), "0")
        self.assertEqual(value_text(update(("a", "b")), TEXT, PLAIN), "2 a b")
        self.assertEqual(value_text(update(np.array([0, 1])), MODE, PLAIN), "2 Idle Busy")

    def test_long_string(self) -> None:
        """A char array is shown as numbers, or as the text in it."""
        chars = update(np.frombuffer("hé\n\0x".encode(), np.uint8))
        self.assertEqual(value_text(chars, CHARS, PLAIN), "6 104 195 169 10 0 120")
        self.assertEqual(value_text(chars, CHARS, Style(long_strings=True)), "hé\\n")

    def test_escaped(self) -> None:
        """A text cannot leave its line, nor send commands to the terminal."""
        self.assertEqual(escaped("°C \x1b[2J\n\\\u202e"), "°C \\x1b[2J\\n\\\\\\u202e")


class LineTests(SynchronousTestCase):
    """short_line, wide_line and description."""

    def test_short(self) -> None:
        """Like caget: a scalar's name is padded to 30 columns, an array's is not."""
        self.assertEqual(short_line(update(1.5), DOUBLE, PLAIN), "X" + " " * 30 + "1.50")
        self.assertEqual(short_line(update(np.array([1.0])), DOUBLES, PLAIN), "X 1 1.0")

    def test_wide(self) -> None:
        """Like camonitor: the time stamp before the value, the alarm after it if there is one."""
        name, stamp = f"{'X':<30}", time_text(1700000000.25)
        self.assertEqual(wide_line(update(1.5), DOUBLE, PLAIN), f"{name} {stamp} 1.50  ")
        alarm = update(1.5, "MAJOR", "HIHI")
        self.assertEqual(wide_line(alarm, DOUBLE, PLAIN), f"{name} {stamp} 1.50 HIHI MAJOR")
        self.assertRegex(stamp, r"^\d{4}-\d\d-\d\d \d\d:\d\d:20\.250000$")

    def test_without_value(self) -> None:
        """A record that never processed has no time; a missing PV has a line without a value."""
        self.assertEqual(time_text(631152000.0), "<undefined>")
        line = not_connected_line("X", None)
        self.assertEqual(line, f"{'X':<30} *** Not connected (PV not found)")

    def test_description(self) -> None:
        """Like cainfo, followed by units, precision, limits and states."""
        metadata = Metadata(
            FieldType.DOUBLE,
            1,
            "ioc:5064",
            write_access=False,
            units="mm",
            precision=3,
            display_limits=(-10.0, 10.5),
        )
        self.assertEqual(
            description("X", metadata).splitlines(),
            [
                "X",
                "    State:            connected",
                "    Host:             ioc:5064",
                "    Access:           read, no write",
                "    Native data type: DBF_DOUBLE",
                "    Element count:    1",
                "    Units:            mm",
                "    Precision:        3",
                "    Lo disp limit:    -10",
                "    Hi disp limit:    10.5",
            ],
        )
        self.assertEqual(
            description("X", MODE).splitlines()[-3:],
            [
                "    Enums:            ( 2)",
                "                      [ 0] Idle",
                "                      [ 1] Busy",
            ],
        )


class PuttingTests(SynchronousTestCase):
    """value_to_put."""

    def test_values(self) -> None:
        """Words are converted to the PV's type; others are left to the gateway."""
        for words, metadata, value in [
            ("1.5", DOUBLE, 1.5),
            ("-1e3", DOUBLE, -1000.0),
            ("0x1F", LONG, 31),
            ("much", DOUBLE, "much"),
            ("nan", DOUBLE, "nan"),
            ("Busy", MODE, "Busy"),
            ("1", MODE, 1),
            ("1", TEXT, "1"),
            ("two words", TEXT, "two words"),
            ("1 2 x", DOUBLES, [1, 2, "x"]),
            ("1", DOUBLES, [1]),
            ("two words", CHARS, "two words"),
            ("18446744073709551615", Metadata(FieldType.UINT64, 1), 2**64 - 1),
            ("true", Metadata(FieldType.BOOL, 1), True),
            ("1", Metadata(FieldType.BOOL, 1), 1),
            ('{"x": {"y": 9007199254740993}}', TREE, {"x": {"y": 2**53 + 1}}),
            ("{x", TREE, "{x"),
        ]:
            self.assertEqual(value_to_put(words.split(), metadata), value)

    def test_counted(self) -> None:
        """A counted array begins with the number of elements; a wrong number is an error."""
        self.assertEqual(value_to_put(["2", "5", "6"], CHARS, counted=True), [5, 6])
        error = self.assertRaises(GatewayError, value_to_put, ["3", "5"], DOUBLES, True)
        self.assertEqual(error.code, "bad_value")

    def test_numbers_only(self) -> None:
        """A label that looks like a number is the index, if numbers are requested."""
        positions = Metadata(FieldType.ENUM, 1, enum_strs=("2", "1", "0"))
        self.assertEqual(value_to_put(["2"], positions), "2")
        self.assertEqual(value_to_put(["2"], positions, numbers=True), 2)


class ArgumentsTests(SynchronousTestCase):
    """parse."""

    def parse(self, line: str, **environment: str) -> Arguments:
        """Return the parsed arguments of a command line."""
        return parse(line.split(), environment)

    def refused(self, line: str) -> str:
        """Return the error for a command line."""
        stderr = io.StringIO()
        with redirect_stderr(stderr):
            error = self.assertRaises(SystemExit, self.parse, line)
        self.assertEqual(error.code, 1)
        [text] = stderr.getvalue().splitlines()
        return text

    def test_defaults(self) -> None:
        """Only URL, command and PVs are required."""
        arguments = self.parse("host:8888 monitor A B")
        self.assertEqual(arguments.target.url, "ws://host:8888/monitor")
        self.assertEqual((arguments.command, arguments.names), ("monitor", ("A", "B")))
        self.assertEqual((arguments.timeout, arguments.json, arguments.count), (10.0, False, None))
        self.assertEqual(arguments.style, Style())

    def test_anywhere(self) -> None:
        """Options may be before the URL, before the command, among and after the PVs."""
        arguments = self.parse("--json host -w 5 get A -S -# 3 B -g 4 C")
        self.assertEqual(arguments.names, ("A", "B", "C"))
        self.assertEqual((arguments.json, arguments.timeout), (True, 5.0))
        self.assertEqual(arguments.style, Style(long_strings=True, floats=".4g", max_elements=3))

    def test_put(self) -> None:
        """The arguments after the PV are the values to put, also negative numbers."""
        arguments = self.parse("host put X -1.5e3 --no-wait -2")
        self.assertEqual((arguments.names, arguments.values), (("X",), ("-1.5e3", "-2")))
        self.assertFalse(arguments.wait)
        self.assertEqual(self.parse("host put X -- -text").values, ("-text",))

    def test_login(self) -> None:
        """User, password and token are options, or the secrets environment variables."""
        target = self.parse("--user me:pass host get X").target
        self.assertEqual((target.user, target.password), ("me", "pass"))
        target = self.parse("--user me host get X", PYCASERVER_PASSWORD="other").target
        self.assertEqual((target.user, target.password), ("me", "other"))
        self.assertEqual(self.parse("host get X", PYCASERVER_TOKEN="abc").target.token, "abc")
        self.assertFalse(self.parse("--insecure host get X").target.verify)

    def test_refused(self) -> None:
        """An error is one line that says what is wrong."""
        for line, text in [
            ("", "required: URL"),
            ("host", "required: COMMAND"),
            ("host get", "required: PV"),
            ("host put X", "required: VALUE"),
            ("host fly X", "invalid choice: 'fly'"),
            ("host get X --fly", "unrecognized arguments: --fly"),
            ("ftp://host get X", "expected a URL"),
            ("ws://me:pass@host get X", "user name"),
            ("host get -w 0 X", "expected seconds"),
            ("host get -w -1 X", "expected seconds, above 0, got '-1'"),
            ("host get -f x X", "expected a number"),
            ("host monitor --count 0 X", "at least 1"),
            ("host monitor --max-rate 2000 X", "at most 1000"),
        ]:
            self.assertIn(text, self.refused(line))
