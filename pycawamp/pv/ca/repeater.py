"""The CA repeater, which passes beacons of IOCs to all Channel Access clients of a machine.

Beacons arrive at one UDP port, which only one process can open. If there is no repeater, libca
runs one inside the first process that searches for a PV. That repeater ends with its process, and
clients that have registered with it do not register again: they miss beacons, and find a restarted
IOC only by their slow periodic search. libca also leaves a zombie process behind when it
tries to run a program named caRepeater. Therefore a repeater is started in its own process
before libca checks for one.

Run as a script, this module is that process. It then needs neither this package nor site.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

DEFAULT_PORT = 5065
START_SECONDS = 5.0
ASK_AGAIN_SECONDS = 0.02
# A CA header is 16 bytes: command, payload size, type, count, two parameters.
REGISTER = (24).to_bytes(2, "big") + bytes(14)
CONFIRM = (17).to_bytes(2, "big")


class Repeater:
    """The repeater of this machine, or the reason why there is none."""

    def __init__(
        self,
        port: int,
        pid: int | None = None,
        problem: str | None = None,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.port = port
        self.pid = pid
        """Process ID of a repeater that was started by `ensure_repeater`."""
        self.problem = problem
        """The reason as text. Without a repeater, clients find restarted IOCs later."""
        self._process = process

    def close(self) -> None:
        """Stop the repeater if it is owned, which takes some milliseconds."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def ensure_repeater(owned: bool = False) -> Repeater:
    """Start a repeater on EPICS_CA_REPEATER_PORT if there is none. Never raises.

    A repeater that is owned ends with `close` or with this process. Otherwise it continues, because
    it also serves other clients of the machine.

    Blocks until the repeater answers, typically for 0.1 s, so call it in a thread.
    """
    port = repeater_port(os.environ)
    if _is_taken(port):
        return Repeater(port)
    try:
        return _start_owned(port) if owned else _start_detached(port)
    except (OSError, subprocess.SubprocessError, ImportError, ValueError) as error:
        return Repeater(port, problem=f"cannot start a CA repeater: {error}")


def repeater_port(environment: Mapping[str, str]) -> int:
    """Return the UDP port in EPICS_CA_REPEATER_PORT, or like libca the default if it is invalid."""
    text = environment.get("EPICS_CA_REPEATER_PORT", "")
    port = int(text) if text.isdecimal() else 0
    return port if 0 < port < 65536 else DEFAULT_PORT


def answers(port: int, seconds: float) -> bool:
    """Register with the repeater on a port until it confirms; return False if it never does."""
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(ASK_AGAIN_SECONDS)
        # Repeated, because datagrams are lost while no process listens.
        while time.monotonic() < deadline:
            client.sendto(REGISTER, ("127.0.0.1", port))
            try:
                if client.recv(64).startswith(CONFIRM):
                    return True
            except TimeoutError:
                continue
    return False


def _is_taken(port: int) -> bool:
    # libca uses the same check.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as candidate:
        try:
            candidate.bind(("", port))
        except OSError:
            return True
    return False


def _start_owned(port: int) -> Repeater:
    process = subprocess.Popen(
        _command("owned"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    repeater = Repeater(port, process.pid, process=process)
    if not answers(port, START_SECONDS):
        repeater.problem = f"the CA repeater on port {port} does not answer"
    return repeater


def _start_detached(port: int) -> Repeater:
    # The started process forks, prints the pid and exits. So the repeater is not a child of
    # this process, and does not become a zombie if it ends first.
    started = subprocess.run(
        _command("detached"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        start_new_session=True,
        timeout=START_SECONDS,
        check=True,
    )
    if not answers(port, START_SECONDS):
        return Repeater(port, problem=f"the CA repeater on port {port} does not answer")
    return Repeater(port, int(started.stdout))


def _command(mode: str) -> list[str]:
    from epicscorelibs.lib import ca_dsoinfo  # noqa: PLC0415 (the process itself has no site)

    # Isolated and without site: it starts in half the time, and loads no modules of the user.
    return [sys.executable, "-I", "-S", os.path.abspath(__file__), mode, ca_dsoinfo.sofilename]


def main(mode: str, library: str) -> None:
    """Repeat beacons until killed, or if owned until stdin is closed."""
    if mode == "owned":
        threading.Thread(target=_repeat, args=(library,), daemon=True).start()
        sys.stdin.buffer.read()
        # Without Python's shutdown: the thread never returns from libca.
        os._exit(0)
    if pid := os.fork():
        print(pid)
        return
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    _repeat(library)


def _repeat(library: str) -> None:
    # Returns immediately if another repeater has the port.
    ctypes.CDLL(library).caRepeaterThread(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
