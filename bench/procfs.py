"""CPU time and memory of processes."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import attrs

_libc = ctypes.CDLL(None)


@attrs.frozen
class Moment:
    """The CPU time of a process at one time, in seconds."""

    at: float
    cpu: float

    @classmethod
    def of(cls, pid: int) -> Moment:
        return cls(time.monotonic(), cpu_seconds(pid))

    def cores_since(self, earlier: Moment) -> float:
        """The mean number of cores in use between the two."""
        return (self.cpu - earlier.cpu) / (self.at - earlier.at)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, in seconds."""
    clock = ctypes.c_int()
    if error := _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


def descendants(pid: int) -> list[int]:
    """Return the descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def busiest_renderer(browser: int) -> int:
    """Return the process of a Chromium that shows the page."""
    return max(filter(_runs_pages, descendants(browser)), key=cpu_seconds)


def _runs_pages(pid: int) -> bool:
    return b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes()


def rss_kib(pid: int) -> int:
    """Resident memory now, in KiB."""
    return _status(pid, "VmRSS")


def peak_rss_kib(pid: int) -> int:
    """The largest resident memory of the process's life, in KiB."""
    return _status(pid, "VmHWM")


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0])
    raise ProcessLookupError(f"process {pid} has no {key}")
