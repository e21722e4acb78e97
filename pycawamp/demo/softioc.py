"""The process of the IOC: `python -m pycawamp.demo.softioc FILE.db ...`.

With `--pva` it serves pvAccess, by QSRV, in addition to Channel Access. It prints `READY` to stdout
when iocInit has finished. Then it executes each line of stdin in the IOC shell, printing `READY`
again after each, and ends with its stdin, so that it cannot outlive its parent.

It does not import other modules of this package, since it is run as a script, from any directory.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import ctypes
import importlib
import itertools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread

READY = "READY"
FAST_SCANS = {"menuScan_01_second": ".01 second", "menuScan_001_second": ".001 second"}
QSRV = {"pvAccessIOC": "PVAServerRegister.dbd", "qsrv": "qsrv.dbd"}
"""Libraries of epicscorelibs that serve pvAccess, and their registration functions."""
WIDTH, HEIGHT = 160, 120
"""Size of an image in pixels."""
PICTURE_SECONDS = 0.1
DBR_USHORT = 4
DBADDR_SIZE = 256
"""Bytes to allocate for a DBADDR, which is smaller."""


class EPICSBase:
    """EPICS base, as far as an IOC needs it. Loading it starts threads.

    epicscorelibs.ioc would also work, but it imports setuptools, which takes twice as long as
    everything else.
    """

    def __init__(self) -> None:
        self.com = self.load("Com")
        self.core = self.load("dbCore")
        self.load("dbRecStd")
        atexit.register(self.com.epicsExitCallAtExits)

    @staticmethod
    def load(library: str) -> ctypes.CDLL:
        """Load a library of epicscorelibs, such as `qsrv`."""
        info = importlib.import_module(f"epicscorelibs.lib.{library}_dsoinfo")
        return ctypes.CDLL(info.sofilename, ctypes.RTLD_GLOBAL)

    @property
    def dbd(self) -> Path:
        """The folder of DBD files."""
        import epicscorelibs  # noqa: PLC0415 (only processes with an IOC need it)

        return Path(epicscorelibs.__file__).with_name("dbd")

    @property
    def pdbbase(self) -> ctypes.c_void_p:
        """The database into which DBD files and records were loaded."""
        return ctypes.c_void_p.in_dll(self.core, "pdbbase")

    def run(self, line: str) -> None:
        """Execute a line in the IOC shell."""
        self.com.iocshCmd(line.encode())


def main(argv: Sequence[str] | None = None, make_base: Callable[[], EPICSBase] = EPICSBase) -> int:
    """Run an IOC with the databases in argv until stdin ends; return the exit status."""
    arguments = _parser().parse_args(argv)
    # Ctrl-C is sent to the whole process group. The parent stops the IOC.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # For a record with a CA link, libca starts a caRepeater program if it finds one, which would
    # keep our stdio open. If it finds none, it uses a thread instead.
    os.environ["PATH"] = os.devnull
    try:
        with _stdout_to_stderr():
            base = make_base()
            _start(base, arguments)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.pictures:
        pictures = (base, arguments.pictures)
        Thread(target=_write_pictures, args=pictures, daemon=True).start()
    _serve_shell(base)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("softioc", description="Runs an EPICS IOC until stdin ends.")
    parser.add_argument("databases", nargs="+", metavar="FILE.db", help="record databases")
    parser.add_argument("--macros", default="", help="for all databases, such as P=demo:,N=1")
    parser.add_argument("--access-file", metavar="FILE.acf", help="access security rules")
    parser.add_argument("--pva", action="store_true", help="serve pvAccess too")
    parser.add_argument("--pictures", metavar="RECORD", help="a waveform for a beam spot")
    return parser


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr, including the output of C libraries.

    The IOC prints a banner to C's stdout, which would come before READY.
    """
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        _flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def _start(base: EPICSBase, arguments: argparse.Namespace) -> None:
    """Start the IOC.

    Raises:
        RuntimeError: EPICS has failed, and printed the reason to stderr.
    """
    core = base.core
    macros = arguments.macros.encode()
    libraries = QSRV if arguments.pva else {}
    for library in libraries:
        base.load(library)
    core.iocshRegisterCommon()
    with _fast_scan_menu(base.dbd) as menu:
        # EPICS keeps the first of two menus with the same name, so this must precede base.dbd.
        _check(core.dbLoadDatabase(os.fsencode(menu), None, None), f"cannot load {menu}")
    dbd_path = os.fsencode(base.dbd)
    for name in ("base.dbd", *libraries.values()):
        _check(core.dbLoadDatabase(name.encode(), dbd_path, None), f"cannot load {name}")
    _check(core.registerAllRecordDeviceDrivers(base.pdbbase), "cannot register record types")
    for database in arguments.databases:
        status = core.dbLoadRecords(os.fsencode(database), macros)
        _check(status, f"cannot load {database}")
    if (access_file := arguments.access_file) is not None:
        _check(core.asSetFilename(os.fsencode(access_file)), f"cannot use {access_file}")
    _check(core.iocInit(), "iocInit failed")


@contextlib.contextmanager
def _fast_scan_menu(dbd: Path) -> Iterator[Path]:
    """Return the path of a DBD file with EPICS's menuScan and additional, faster rates.

    EPICS starts a scan thread per choice. For the faster ones, it warns "not achievable", because
    it assumes that the resolution of timers is the tick of the system clock (10 ms).
    """
    choices = "".join(f'\tchoice({name},"{rate}")\n' for name, rate in FAST_SCANS.items())
    head, brace, tail = (dbd / "menuScan.dbd").read_text().rpartition("}")
    with tempfile.TemporaryDirectory() as folder:
        menu = Path(folder, "menuScan.dbd")
        menu.write_text(f"{head}{choices}{brace}{tail}")
        yield menu


def _check(status: int, complaint: str) -> None:
    if status:
        raise RuntimeError(f"softioc: {complaint}")


def _write_pictures(base: EPICSBase, record: str) -> None:
    """Write images of a moving beam spot into a waveform of USHORT, forever."""
    import numpy as np  # noqa: PLC0415 (only the demo needs it)

    address = ctypes.create_string_buffer(DBADDR_SIZE)
    if base.core.dbNameToAddr(record.encode(), address):
        raise RuntimeError(f"softioc: no record {record}")
    noise = np.random.default_rng(1).normal(0, 8, (8, HEIGHT, WIDTH))
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    for number in itertools.count():
        turn = number / 60
        x = WIDTH * (0.5 + 0.2 * np.sin(turn))
        y = HEIGHT * (0.5 + 0.2 * np.sin(1.4 * turn))
        spot = np.exp(-(((columns - x) / 16) ** 2) - ((rows - y) / 9) ** 2)
        pixels = (60 + 3000 * spot + noise[number % len(noise)]).clip(0).astype(np.uint16)
        base.core.dbPutField(
            address, DBR_USHORT, pixels.ctypes.data_as(ctypes.c_void_p), pixels.size
        )
        time.sleep(PICTURE_SECONDS)


def _serve_shell(base: EPICSBase) -> None:
    print(READY, flush=True)
    for line in sys.stdin:
        base.run(line.rstrip("\n"))
        base.com.errlogFlush()
        _flush()
        print(READY, flush=True)


def _flush() -> None:
    """Flush the buffers of C's stdio, which Python's flush does not."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)


if __name__ == "__main__":
    sys.exit(main())
