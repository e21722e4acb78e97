"""Real pvAccess servers as child processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from subprocess import PIPE, Popen
from threading import Lock

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from harness import pva_server
from pycawamp.demo.ports import PVAPorts, free_ports


class PVAServer:
    """A child process of harness.pva_server; its methods block, unless noted otherwise.

    `variables` are added to its environment.
    """

    def __init__(
        self, ports: PVAPorts, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.ports = ports
        self._talking = Lock()
        plain = {key: text for key, text in os.environ.items() if not key.startswith("EPICS_")}
        self.ca_ports = free_ports()
        environment = {**plain, **self.ca_ports.server_environment(), **ports.server_environment()}
        environment |= variables or {}
        command = [sys.executable, pva_server.__file__, *arguments]
        self.process = Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment)
        self._answer()

    def run(self, line: str) -> Deferred[str]:
        """Run a line; fires with its output."""
        return deferToThread(self.run_now, line)

    def run_now(self, line: str) -> str:
        """Run a line; return its output."""
        with self._talking:
            assert self.process.stdin is not None
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            if line.rstrip() == pva_server.READY:
                return "\n".join(lines)
            lines.append(line.rstrip())
        raise AssertionError(f"the server ended: {lines}")

    def kill(self) -> None:
        """Kill it, as in a crash."""
        self.process.kill()
        self.process.communicate()
