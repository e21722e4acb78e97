"""Runs the README's run command as a user would, and reads a value from the demo through it.

usage: smoke.py DIRECTORY, where twistd and python are
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

START_SECONDS = 30.0
STOP_SECONDS = 5.0


def main(binaries: Path) -> None:
    """Start the gateway, read through it, stop it."""
    port = free_port()
    gateway = subprocess.Popen(
        [str(binaries / "twistd"), "-n", "--pidfile=", "pycaserver", "--port", str(port), "--demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        await_port(port, gateway)
        check_value(binaries, port)
        check_page(port)
    finally:
        gateway.send_signal(signal.SIGTERM)
        output, _ = gateway.communicate(timeout=STOP_SECONDS)
    assert "Traceback" not in output, output
    assert "demo:sine" in output, output
    print("the gateway showed demo:sine, served its page and stopped")


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return int(candidate.getsockname()[1])


def await_port(port: int, gateway: subprocess.Popen[str]) -> None:
    """Return when the gateway listens."""
    deadline = time.monotonic() + START_SECONDS
    while gateway.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the gateway did not start")


def check_value(binaries: Path, port: int) -> None:
    """Read a value that moves, by the command-line client."""
    url = f"ws://127.0.0.1:{port}/monitor"
    command = [str(binaries / "python"), "-m", "pycawamp.client", "--json", url]
    command += ["monitor", "--count", "3", "demo:sine"]
    lines = subprocess.run(
        command, capture_output=True, text=True, timeout=START_SECONDS, check=True
    ).stdout.splitlines()
    values = [json.loads(line)["value"] for line in lines if '"value"' in line]
    assert len(set(values)) >= 2, lines
    assert all(-10 <= value <= 10 for value in values), lines


def check_page(port: int) -> None:
    """Get the console."""
    with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
        assert b"<html" in page.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
