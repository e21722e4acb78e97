"""The child process that is the IOC: ``python -m pycawamp.demo.softioc FILE.db ...``.

It says ``READY`` on stdout once iocInit has finished, then runs each line of stdin in the IOC
shell, saying ``READY`` again after each, and ends with its stdin. So it cannot outlive its
parent, whatever becomes of that.

It imports nothing of this package: it also runs as a plain script, from any directory.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

READY = "READY"
FAST_SCANS = {"menuScan_01_second": ".01 second", "menuScan_001_second": ".001 second"}


def main(argv: Sequence[str] | None = None) -> int:
    """Serves the databases named in argv until stdin ends; returns the exit status."""
    arguments = _parser().parse_args(argv)
    # Ctrl-C reaches the whole foreground process group. The parent decides when the IOC ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A record with a CA link makes libca look for a caRepeater program, and the one it finds
    # stays behind, holding our stdio. Where it finds none, it repeats in a thread of its own.
    os.environ["PATH"] = os.devnull
    try:
        with _stdout_to_stderr():
            _start(arguments.databases, arguments.macros, arguments.access_file)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    _serve_shell()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("softioc", description="Runs an EPICS IOC until stdin ends.")
    parser.add_argument("databases", nargs="+", metavar="FILE.db", help="record databases")
    parser.add_argument("--macros", default="", help="for all databases, such as P=demo:,N=1")
    parser.add_argument("--access-file", metavar="FILE.acf", help="access security rules")
    return parser


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """What is written to stdout meanwhile, by libraries too, goes to stderr.

    The IOC greets with a banner on C's own stdout, which would otherwise come before READY.
    """
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        _flush()
        os.dup2(stdout, 1)
        os.close(stdout)


def _start(databases: Sequence[str], macros: str, access_file: str | None) -> None:
    """Brings the IOC up; raises RuntimeError where EPICS refuses (it says why on stderr)."""
    from epicscorelibs import ioc  # noqa: PLC0415 (loading it starts EPICS's threads)

    ioc.iocshRegisterCommon()
    with _fast_scan_menu(Path(ioc.DEFAULT_DBD_PATH)) as menu:
        # Of two menus with one name EPICS keeps the first, so this must precede base.dbd.
        _check(ioc.dbLoadDatabase(os.fsencode(menu), None, None), f"cannot load {menu}")
    dbd_path = os.fsencode(ioc.DEFAULT_DBD_PATH)
    _check(ioc.dbLoadDatabase(b"base.dbd", dbd_path, None), "cannot load base.dbd")
    _check(ioc.registerRecordDeviceDriver(ioc.pdbbase), "cannot register record types")
    for database in databases:
        status = ioc.dbLoadRecords(os.fsencode(database), macros.encode())
        _check(status, f"cannot load {database}")
    if access_file is not None:
        _check(ioc.dbCore.asSetFilename(os.fsencode(access_file)), f"cannot use {access_file}")
    _check(ioc.iocInit(), "iocInit failed")


@contextlib.contextmanager
def _fast_scan_menu(dbd: Path) -> Iterator[Path]:
    """A DBD file with EPICS's own menuScan and, after the others, the faster rates.

    EPICS starts a scan thread per choice. For these it warns "not achievable", because it
    takes the tick of the system clock (10 ms) for the resolution of its timers. It is not.
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


def _serve_shell() -> None:
    from epicscorelibs import ioc  # noqa: PLC0415 (see _start)

    print(READY, flush=True)
    for line in sys.stdin:
        ioc.ioc(line.rstrip("\n"))
        ioc.Com.errlogFlush()
        _flush()
        print(READY, flush=True)


def _flush() -> None:
    """C's stdio buffers are written out: Python's ``flush`` does not know of them."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)


if __name__ == "__main__":
    sys.exit(main())
