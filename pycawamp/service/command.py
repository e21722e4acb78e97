"""The commands `pycaserver` and `pycaserver-ingest`: twistd in the foreground."""

from __future__ import annotations

import sys

from twisted.scripts import twistd


def main() -> None:
    """Run `twistd -n --pidfile= pycaserver` with the arguments of the command."""
    _run("pycaserver")


def ingest() -> None:
    """Run `twistd -n --pidfile= pycaserver-ingest` with the arguments of the command."""
    _run("pycaserver-ingest")


def _run(plugin: str) -> None:
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", plugin]
    twistd.run()
