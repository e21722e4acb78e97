"""The command `pycaserver-access`: a user's access to a PV, and the lines that decide it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .errors import AccessFileError
from .inputs import FileInputs
from .interfaces import Verdict
from .load import AccessFiles, system_lookup
from .policy import Policy, Writers
from .syntax import Syntax

READABLE, BAD_FILE, FORBIDDEN = 0, 1, 3

_WRITERS = {"logged-in": Writers.LOGGED_IN, "anyone": Writers.ANYONE}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 if the PV may be read, 3 if not, 1 if a file is invalid, 2 for wrong usage.
    """
    arguments = _parser().parse_args(argv)
    try:
        policy = _files(arguments).load()
    except AccessFileError as error:
        print(error, file=sys.stderr)
        return BAD_FILE
    for warning in policy.warnings:
        print(warning, file=sys.stderr)
    _take_inputs(policy, dict(arguments.input))
    verdict = policy.decide(arguments.user, arguments.host, arguments.host_name, arguments.pv)
    print(_text(verdict, arguments.pv))
    return READABLE if verdict.read else FORBIDDEN


def _files(arguments: argparse.Namespace) -> AccessFiles:
    return AccessFiles(
        pvlist=arguments.pvlist,
        access=arguments.access,
        puts=arguments.allow_put is not None,
        writers=_WRITERS.get(arguments.allow_put, Writers.NONE),
        lookup=system_lookup if arguments.resolve else None,
        syntax=arguments.pvlist_syntax and Syntax(arguments.pvlist_syntax),
    )


def _take_inputs(policy: Policy, values: dict[str, float]) -> None:
    """Set the values of INPs, and print which have no value."""
    inputs = FileInputs(policy.acf) if policy.acf is not None else None
    names = set(inputs.names) if inputs is not None else set()
    for name in sorted(names | values.keys()):
        if name not in names:
            print(f"--input: the file has no INP {name}", file=sys.stderr)
        elif name not in values:
            print(
                f"{name} has no value (--input {name}=1): no CALC that uses it applies",
                file=sys.stderr,
            )
        elif inputs is not None:
            inputs.take(name, values[name])


def _input(text: str) -> tuple[str, float]:
    name, equals, value = text.rpartition("=")
    if not name or not equals:
        raise ValueError
    return name, float(value)


def _text(verdict: Verdict, pv: str) -> str:
    facts = {
        "read": _yes(verdict.read),
        "write": _yes(verdict.write) + (" (trapped)" if verdict.trap_write else ""),
        **({"real name": verdict.real_name} if verdict.real_name != pv else {}),
    }
    lines = [f"{what}: {value}" for what, value in facts.items()]
    return "\n".join([*lines, *(f"because {rule}" for rule in verdict.rules)])


def _yes(allowed: bool) -> str:
    return "yes" if allowed else "no"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pycaserver-access", description=__doc__)
    check = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "check", help="print a decision and the lines that determine it"
    )
    check.add_argument("--pvlist", metavar="FILE", help="PV list in the CA gateway's format")
    check.add_argument(
        "--pvlist-syntax",
        choices=[one.value for one in Syntax],
        help="as given to the gateway: for which build of the CA gateway the list is",
    )
    check.add_argument("--access", metavar="FILE", help="access security file (ACF)")
    check.add_argument("--user", help="name of the logged-in user (default: not logged in)")
    check.add_argument("--host", required=True, help="address of the client")
    check.add_argument("--host-name", metavar="NAME", help="name of the client's host, if known")
    check.add_argument("--pv", required=True, help="name of the PV, as requested by the client")
    check.add_argument(
        "--input",
        metavar="PV=VALUE",
        type=_input,
        action="append",
        default=[],
        help="value of a PV that is an INP in the access security file; may be repeated",
    )
    check.add_argument(
        "--allow-put",
        nargs="?",
        const="logged-in",
        choices=_WRITERS,
        help="as for the gateway; without it, nobody may write, whatever --access allows",
    )
    check.add_argument(
        "--resolve",
        action="store_true",
        help="look up host names in the files, so that they also match addresses",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
