"""Events like those of libca, and a reactor that reads the file descriptor of an intake."""

from __future__ import annotations

from ctypes import c_void_p, create_string_buffer
from ctypes import cast as ctypes_cast
from select import select
from typing import Any

from pycawamp.pv.ca import libca
from tests.support.memory_gateway import SteppingReactor

DBR_TIME_DOUBLE = 20
HEADER, WIDTH, MAX_COUNT = 16, 8, 3


def event_args(
    number: int, raw: bytes, dbr_type: int = DBR_TIME_DOUBLE, count: int = 1, status: int = 1
) -> libca.EventArgs:
    """Return the argument that libca passes to the callback."""
    buffer = create_string_buffer(raw, len(raw) + HEADER + MAX_COUNT * WIDTH)
    args = libca.EventArgs()
    args.usr, args.type, args.count, args.status = number, dbr_type, count, status
    args.dbr = ctypes_cast(buffer, c_void_p).value
    args.buffer = buffer
    return args


class PollingReactor(SteppingReactor):
    """A stepping reactor that waits for file descriptors too."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        """Wait for a file descriptor."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Stop waiting for a file descriptor."""
        self.readers.remove(reader)

    def poll(self) -> None:
        """Make the readable ones be read in the next iteration."""
        for reader in select(self.readers, [], [], 0)[0]:
            self.callFromThread(reader.doRead)
