"""`python -m pycawamp.client`."""

from __future__ import annotations

import contextlib
import getpass
import io
import os
import sys
from typing import Any

import attrs
from twisted.internet import task
from twisted.internet.defer import Deferred

from pycawamp.client.arguments import Arguments, parse
from pycawamp.client.commands import Run
from pycawamp.client.console import Console


def main() -> None:
    """Run the command line, and exit."""
    arguments = _with_password(parse(sys.argv[1:]))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Units such as \N{DEGREE SIGN}C must not raise an error in a terminal without them.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        task.react(_run, [arguments])
    finally:
        _forget_closed_stdout()


async def _run(reactor: Any, arguments: Arguments) -> None:
    run = Run(reactor, arguments, Console(sys.stdout, sys.stderr))
    work = Deferred.fromCoroutine(run.execute())
    ended = Deferred[None]()

    def interrupt() -> Deferred[None]:
        # On Ctrl-C, the reactor stops; close the connection before.
        work.cancel()
        return ended

    reactor.addSystemEventTrigger("before", "shutdown", interrupt)
    try:
        status = await work
    finally:
        ended.callback(None)
    raise SystemExit(status)


def _with_password(arguments: Arguments) -> Arguments:
    target = arguments.target
    if target.user is None or target.password or not sys.stdin.isatty():
        return arguments
    password = getpass.getpass(f"Password of {target.user}: ")
    return attrs.evolve(arguments, target=attrs.evolve(target, password=password))


def _forget_closed_stdout() -> None:
    """Redirect stdout if it is a closed pipe, so that flushing it at exit does not fail."""
    if sys.stdout is None:
        return  # With `>&-`.
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
