"""A child process that serves PVs by pvAccess, with the servers of p4p and pvxslibs.

`ioc FILE.db [FILE.acf]` is a QSRV 2 IOC, and `ioc1 FILE.db` a QSRV 1 one: each line of stdin is
run in its shell. `shared` serves PVs of p4p: each line of stdin is a line of Python, with the
names of `_names`. It prints READY when it is ready, and after each line.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pycawamp.demo.softioc import QSRV, EPICSBase

READY = "READY"


def main(kind: str, *arguments: str) -> None:
    """Serve until stdin ends."""
    os.environ["PATH"] = os.devnull
    run = _shared() if kind == "shared" else _ioc(kind == "ioc", *arguments)
    print(READY, flush=True)
    for line in sys.stdin:
        try:
            run(line.rstrip("\n"))
        except Exception:
            traceback.print_exc()
        _flush()
        print(READY, flush=True)
    os._exit(0)


def _flush() -> None:
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)


def _ioc(is_qsrv2: bool, database: str, access: str = "") -> Callable[[str], Any]:
    stdout = os.dup(1)
    os.dup2(2, 1)
    base = EPICSBase()
    core = base.core
    if is_qsrv2:
        import pvxslibs  # noqa: PLC0415
        from pvxslibs.lib import pvxsIoc_dsoinfo  # noqa: PLC0415

        os.environ["PVXS_QSRV_ENABLE"] = "YES"
        ctypes.CDLL(pvxsIoc_dsoinfo.sofilename, ctypes.RTLD_GLOBAL)
        extra = [(b"pvxsIoc.dbd", Path(pvxslibs.__file__).with_name("dbd"))]
    else:
        for library in QSRV:
            base.load(library)
        extra = [(name.encode(), base.dbd) for name in QSRV.values()]
    core.iocshRegisterCommon()
    for name, path in ((b"base.dbd", base.dbd), *extra):
        assert not core.dbLoadDatabase(name, os.fsencode(path), None), name
    assert not core.registerAllRecordDeviceDrivers(base.pdbbase)
    assert not core.dbLoadRecords(os.fsencode(database), b"")
    if access:
        assert not core.asSetFilename(os.fsencode(access))
    assert not core.iocInit()
    _flush()
    os.dup2(stdout, 1)

    def run(line: str) -> None:
        base.run(line)
        base.com.errlogFlush()

    return run


def _shared() -> Callable[[str], Any]:
    import numpy  # noqa: PLC0415
    import p4p.nt  # noqa: PLC0415
    from p4p import Type, Value  # noqa: PLC0415
    from p4p.server import Server, StaticProvider  # noqa: PLC0415
    from p4p.server.thread import SharedPV  # noqa: PLC0415

    provider = StaticProvider("tests")
    pvs: dict[str, Any] = {}

    class Takes:
        """Accepts each written value."""

        def put(self, pv: Any, operation: Any) -> None:
            pv.post(operation.value())
            operation.done()

    def add(name: str, nt: Any, initial: Any, takes: bool = True, **keys: Any) -> None:
        """Serve another PV."""
        keys = {"handler": Takes()} if takes else {}
        pvs[name] = SharedPV(nt=nt, initial=initial, **keys)
        provider.add(name, pvs[name])

    names = {
        "np": numpy,
        "nt": p4p.nt,
        "Type": Type,
        "Value": Value,
        "pvs": pvs,
        "add": add,
        "provider": provider,
        "server": Server(providers=[provider]),
    }
    return lambda line: exec(line, names)


if __name__ == "__main__":
    main(*sys.argv[1:])
