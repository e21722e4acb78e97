"""The command `pycaserver`: twistd in the foreground, with the gateway."""

from __future__ import annotations

import sys

from twisted.scripts import twistd


def main() -> None:
    """Run `twistd -n --pidfile= pycaserver` with the arguments of the command."""
    sys.argv[1:1] = ["--nodaemon", "--pidfile=", "pycaserver"]
    twistd.run()
