"""An IOC that can set a record's time stamp to anything, as device support may (TSE -2).

It is `pycawamp.demo.softioc` with an additional command: `stamp NAME SECONDS NANOSECONDS`, in EPICS
time.
"""

from __future__ import annotations

import ctypes
import sys

from pycawamp.demo import softioc


class StampingBase(softioc.EPICSBase):
    """EPICS base with the command `stamp`."""

    def run(self, line: str) -> None:
        """Run a line: `stamp`, or a command of the IOC shell."""
        command, *arguments = line.split()
        if command == "stamp":
            self.stamp(*arguments)
        else:
            super().run(line)

    def stamp(self, name: str, seconds: str, nanoseconds: str) -> None:
        """Set the TIME field of a record, which a database cannot do."""
        # A dbAddr: the record, the field, and members that are not used here.
        address = (ctypes.c_void_p * 32)()
        if self.core.dbNameToAddr(f"{name}.TIME".encode(), address):
            raise ValueError(f"no record {name}")
        field = ctypes.cast(ctypes.c_void_p(address[1]), ctypes.POINTER(ctypes.c_uint32))
        field[0], field[1] = int(seconds), int(nanoseconds)


if __name__ == "__main__":
    sys.exit(softioc.main(make_base=StampingBase))
