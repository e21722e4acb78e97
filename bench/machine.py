"""The machine and the versions of a result."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("twisted", "autobahn", "pyepics", "epicscorelibs", "orjson", "numpy")


def describe() -> list[str]:
    """One line each for the processor, the system, the packages and the state of the tree."""
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return [
        f"{os.cpu_count()} cores of {_cpu_model()}; load average before the run {load}",
        f"Linux {platform.release()}, Python {platform.python_version()}",
        packages,
        f"commit {_commit()}",
    ]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    root = Path(__file__).parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
