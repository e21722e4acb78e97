"""A child process that serves PVs by pvAccess, with the servers of p4p and pvxslibs.

`ioc FILE.db [FILE.acf]` is a QSRV 2 IOC, and `ioc1 FILE.db` a QSRV 1 one: each line of stdin is
run in its shell. `shared` has PVs of p4p: each line of stdin is a line of Python, with what
`_names` has. It says READY once it serves, and after each line.
"""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

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
    from epicscorelibs import ioc  # noqa: PLC0415 (loading it starts EPICS's threads)
    from epicscorelibs.path import get_lib  # noqa: PLC0415

    stdout = os.dup(1)
    os.dup2(2, 1)
    if is_qsrv2:
        import pvxslibs.path  # noqa: PLC0415
        from setuptools_dso.runtime import find_dso  # noqa: PLC0415

        os.environ["PVXS_QSRV_ENABLE"] = "YES"
        ctypes.CDLL(find_dso("pvxslibs.lib.pvxsIoc"), ctypes.RTLD_GLOBAL)
        extra = [(b"pvxsIoc.dbd", pvxslibs.path.dbd_path)]
    else:
        for library in ("pvAccessIOC", "qsrv"):
            ctypes.CDLL(get_lib(library), ctypes.RTLD_GLOBAL)
        names = (b"PVAServerRegister.dbd", b"qsrv.dbd")
        extra = [(name, ioc.DEFAULT_DBD_PATH) for name in names]
    ioc.iocshRegisterCommon()
    for name, path in ((b"base.dbd", ioc.DEFAULT_DBD_PATH), *extra):
        assert not ioc.dbLoadDatabase(name, os.fsencode(path), None), name
    assert not ioc.registerRecordDeviceDriver(ioc.pdbbase)
    assert not ioc.dbLoadRecords(os.fsencode(database), b"")
    if access:
        assert not ioc.dbCore.asSetFilename(os.fsencode(access))
    assert not ioc.iocInit()
    _flush()
    os.dup2(stdout, 1)

    def run(line: str) -> None:
        ioc.ioc(line)
        ioc.Com.errlogFlush()

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
