"""The options of the command line, and the text of --help."""

from __future__ import annotations

import math
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

PROGRAM = "python -m pycawamp.client"
_SHORT_PROGRAM = "pycawamp.client"
_DESCRIPTION = "Read, monitor and write EPICS PVs through a pycaserver gateway."
_EPILOG = f"""\
URL is ws://host:8888/monitor, or wss://host/monitor for an encrypted connection. The
default scheme is ws://, the default path /monitor, so localhost:8888 is sufficient.

The output is that of camonitor, caget, caput and cainfo, with digits as the record's PREC.
The exit status is 0, or 1 if anything failed; each failure is one line on stderr.

Password and token can be given in the environment variables PYCASERVER_PASSWORD and
PYCASERVER_TOKEN, which other users of the computer cannot see.

Examples, with the gateway started by `twistd -n pycaserver --demo --allow-put=anyone`:
  {PROGRAM} localhost:8888 monitor demo:sine demo:mode
  {PROGRAM} localhost:8888 get -a demo:setpoint
  {PROGRAM} localhost:8888 put demo:setpoint 42
  {PROGRAM} localhost:8888 info demo:mode
  {PROGRAM} localhost:8888 monitor --json --count 10 demo:ramp
"""


def make_parser() -> ArgumentParser:
    """Return the parser of the command line; its `error` ends the process."""
    parser = _Parser(
        PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="address of the gateway")
    _add_common(parser, is_top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_monitor, _add_get, _add_put, _add_info):
        _add_common(add(commands))
    return parser


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End the process with one line."""
        print(f"{_SHORT_PROGRAM}: {message} (see --help)", file=sys.stderr)
        raise SystemExit(1)


def _add_common(parser: ArgumentParser, is_top: bool = False) -> None:
    """Add options that are allowed before and after the command."""

    def add(*names: str, default: Any = None, **keys: Any) -> None:
        parser.add_argument(*names, default=default if is_top else SUPPRESS, **keys)

    add("--json", action="store_true", default=False, help="print one JSON object per line")
    add(
        "-w",
        "--timeout",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="timeout of each request (default: 10)",
    )
    add("--user", metavar="NAME[:PASSWORD]", help="log in with a password")
    add("--token", help="log in with a bearer token")
    add("--ca", metavar="FILE.pem", help="certificates to trust, instead of those of the system")
    add(
        "--insecure",
        action="store_true",
        default=False,
        help="do not verify the server's certificate",
    )


def _add_style(parser: ArgumentParser) -> None:
    parser.add_argument("-n", dest="numbers", action="store_true", help="print enums as numbers")
    parser.add_argument(
        "-S", dest="long_strings", action="store_true", help="print char arrays as text"
    )
    parser.add_argument(
        "-#",
        dest="max_elements",
        type=_number,
        metavar="COUNT",
        help="print only the first elements of arrays",
    )
    for kind in "efg":
        parser.add_argument(
            f"-{kind}",
            dest="floats",
            type=partial(_float_format, kind),
            metavar="DIGITS",
            help=f"print floating point as %%{kind} (default: as the record's PREC)",
        )


def _float_format(kind: str, digits: str) -> str:
    return f".{_number(digits)}{kind}"


def _command(commands: Any, name: str, summary: str) -> ArgumentParser:
    parser: ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, allow_abbrev=False
    )
    return parser


def _add_monitor(commands: Any) -> ArgumentParser:
    parser = _command(commands, "monitor", "print updates until Ctrl-C")
    _add_style(parser)
    parser.add_argument("--count", type=_positive, metavar="N", help="end after N updates")
    parser.add_argument(
        "--max-rate", type=_rate, metavar="HZ", help="maximum updates per second and PV"
    )
    parser.add_argument(
        "--history",
        type=_seconds,
        default=0,
        metavar="SECONDS",
        help="first print the updates of the last SECONDS, if the gateway keeps them",
    )
    parser.add_argument("pvs", nargs="+", metavar="PV")
    return parser


def _add_get(commands: Any) -> ArgumentParser:
    parser = _command(commands, "get", "print current values")
    _add_style(parser)
    parser.add_argument(
        "-a", dest="wide", action="store_true", help="print time stamp and alarm too"
    )
    parser.add_argument("-t", dest="terse", action="store_true", help="print values without names")
    parser.add_argument("pvs", nargs="+", metavar="PV")
    return parser


def _add_put(commands: Any) -> ArgumentParser:
    parser = _command(commands, "put", "write a PV, and print the old and the new value")
    _add_style(parser)
    parser.add_argument("-t", dest="terse", action="store_true", help="print only the new value")
    parser.add_argument(
        "-a",
        dest="array",
        action="store_true",
        help="write an array: the number of elements, then the elements",
    )
    parser.add_argument(
        "--no-wait",
        dest="wait",
        action="store_false",
        help="do not wait for the record to finish processing",
    )
    parser.add_argument("pv", metavar="PV")
    parser.add_argument(
        "values", nargs="+", metavar="VALUE", help="elements of an array, or words of a text"
    )
    return parser


def _add_info(commands: Any) -> ArgumentParser:
    parser = _command(commands, "info", "print the metadata of PVs")
    parser.add_argument("pvs", nargs="+", metavar="PV")
    return parser


def _checked(
    convert: Callable[[str], Any], fits: Callable[[Any], bool], expected: str
) -> Callable[[str], Any]:
    def check(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise ArgumentTypeError(f"expected {expected}, got {text.strip()!r}")
        return value

    return check


_seconds = _checked(float, lambda value: 0 < value < math.inf, "seconds, above 0")
_rate = _checked(float, lambda value: 0 < value <= 1000, "updates per second, at most 1000")
_positive = _checked(int, lambda value: value > 0, "a number of at least 1")
_number = _checked(int, lambda value: value >= 0, "a number")
