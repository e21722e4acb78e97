"""Records real servers again: `python -m tests.pv.pva.record`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pvxslibs.path
from epicscorelibs import path as epics_path
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from harness.pva import PVAServer
from pycawamp.demo.ports import PVAPorts
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.pva.circuit import Circuit
from tests.pv.pva.recordings import SERVERS, Recording, Step
from tests.support.pva_case import RecordingSink

HERE = Path(__file__).parent
QUIET = 0.5
"""Seconds after which all that a step causes has come."""
RECORDS = """
record(ao, "number") {
  field(VAL, "1.5") field(EGU, "mm") field(PREC, "3") field(DESC, "a position") field(PINI, "YES")
  field(HOPR, "10") field(HIHI, "4") field(HHSV, "MAJOR")
}
record(longout, "whole") { field(VAL, "-7") field(PINI, "YES") }
record(int64out, "long") { field(VAL, "9007199254740993") field(PINI, "YES") }
record(stringout, "text") { field(VAL, "on") field(PINI, "YES") }
record(mbbo, "mode") { field(ZRST, "zero") field(ONST, "one") field(VAL, "1") field(PINI, "YES") }
record(waveform, "array") { field(FTVL, "DOUBLE") field(NELM, "3000") }
"""
SHARED = (
    "t = nt.NTTable([('n', 'i'), ('s', 's'), ('x', 'd')])",
    "add('table', t, t.wrap([{'n': 1, 's': 'a', 'x': 1.5}, {'n': 2, 's': 'b', 'x': 2.5}]))",
    "add('image', nt.NTNDArray(), np.arange(12, dtype='u2').reshape(3, 4))",
    "add('mode', nt.NTEnum(), {'index': 1, 'choices': ['off', 'on']})",
    "add('texts', nt.NTScalar('as'), ['a', 'b'])",
    "inner = ('S', 'inner_t', [('x', 'd'), ('y', 'ad')])",
    "choice = ('U', 'choice_t', [('number', 'i'), ('words', 's')])",
    "rows = ('aS', 'row_t', [('a', 'i'), ('b', 's')])",
    "odd = Type([('inner', inner), ('choice', choice), ('any', 'v'), ('rows', rows)], id='odd_t')",
    "odd_value = lambda n: Value(odd, {'inner': {'x': n, 'y': [1, 2]}, 'choice': ('words', 'w'),"
    " 'any': np.array([1, 2, 3]), 'rows': [{'a': n, 'b': 'eins'}, {'a': 2}]})",
    "add('odd', None, odd_value(1))",
    "add('number', nt.NTScalar('d', display=True), 1.5)",
)


class Recorder:
    """Records the data that the client receives, and its requests."""

    def __init__(self, reactor: Any, names: tuple[str, ...]) -> None:
        self._reactor = reactor
        self._steps: list[Step] = []
        self._names = names
        backend = PVABackend(reactor)
        backend.start()
        data_received = Circuit.dataReceived

        def keep(circuit: Circuit, data: bytes) -> None:
            self._steps.append(Step("data", data))
            data_received(circuit, data)

        Circuit.dataReceived = keep  # type: ignore[method-assign, assignment]
        self._handles = {name: backend.open(name, RecordingSink()) for name in names}

    def quiet(self) -> Deferred[None]:
        """Fires after some time without data."""
        return deferLater(self._reactor, QUIET)

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Write."""
        self._steps.append(Step("put", b"", name, value))
        self._handles[name].put(value, True).addErrback(lambda _: None)
        return self.quiet()

    def get(self, name: str) -> Deferred[None]:
        """Read."""
        self._steps.append(Step("get", b"", name))
        self._handles[name].get()
        return self.quiet()

    def end(self, server: str) -> None:
        """Store the recording."""
        Recording(self._names, tuple(self._steps)).write(server)


@inlineCallbacks
def _record(reactor: Any, server: str) -> Generator[Deferred[Any], Any, None]:
    ports = PVAPorts.free()
    os.environ.update(ports.client_environment())
    with TemporaryDirectory() as folder:
        if server == "big_endian":
            yield _record_big_endian(reactor, ports, Path(folder))
        elif server == "p4p":
            yield _record_shared(reactor, ports)
        else:
            yield _record_records(reactor, server, ports, Path(folder))


@inlineCallbacks
def _record_records(
    reactor: Any, server: str, ports: PVAPorts, folder: Path
) -> Generator[Deferred[Any], Any, None]:
    database = folder / "records.db"
    database.write_text(RECORDS)
    kind = {"qsrv2": "ioc", "qsrv1": "ioc1"}[server]
    ioc = yield deferToThread(PVAServer, ports, kind, str(database))
    recorder = Recorder(reactor, ("number", "whole", "long", "text", "mode", "array"))
    yield recorder.quiet()
    for value in ("2", "4.5", "3"):
        yield ioc.run(f'dbpf("number", "{value}")')
        yield recorder.quiet()
    yield ioc.run('dbpf("number.EGU", "km")')
    yield ioc.run('dbpf("mode.ONST", "eins")')
    yield recorder.quiet()
    yield recorder.put("whole", 5)
    yield recorder.put("mode", 0)
    yield recorder.put("text", "off")
    yield recorder.put("array", [1.25] * 3000)
    yield recorder.get("number")
    yield recorder.get("long")
    recorder.end(server)
    ioc.kill()


@inlineCallbacks
def _record_shared(reactor: Any, ports: PVAPorts) -> Generator[Deferred[Any], Any, None]:
    server = yield deferToThread(PVAServer, ports, "shared")
    for line in SHARED:
        yield server.run(line)
    recorder = Recorder(reactor, ("table", "image", "mode", "texts", "odd", "number"))
    yield recorder.quiet()
    for line in (
        "pvs['image'].post(np.arange(6, dtype='f4').reshape(2, 3))",
        "pvs['odd'].post(odd_value(5))",
        "pvs['number'].post(2.5, timestamp=1700000000)",
        "pvs['table'].post(t.wrap([{'n': 3, 's': 'c', 'x': 3.5}]))",
        "pvs['mode'].post({'index': 2, 'choices': ['off', 'on', 'broken']})",
    ):
        yield server.run(line)
        yield recorder.quiet()
    yield recorder.put("texts", ["c"])
    yield recorder.put("odd", {"inner": {"x": 6}})
    yield recorder.get("image")
    yield recorder.get("odd")
    yield server.run("pvs['number'].close()")
    yield recorder.quiet()
    recorder.end("p4p")
    server.kill()


@inlineCallbacks
def _record_big_endian(
    reactor: Any, ports: PVAPorts, folder: Path
) -> Generator[Deferred[Any], Any, None]:
    program = folder / "big_endian"
    _compile(program)
    environment = {**os.environ, **ports.server_environment()}
    server = subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdin is not None and server.stdout is not None
    server.stdout.readline()
    recorder = Recorder(reactor, ("number", "numbers", "label"))
    yield recorder.quiet()
    for value in ("2.5", "3.5"):
        server.stdin.write(f"{value}\n")
        server.stdin.flush()
        yield recorder.quiet()
    yield recorder.put("number", 4.5)
    yield recorder.put("label", "on")
    yield recorder.get("numbers")
    recorder.end("big_endian")
    server.kill()


def _compile(program: Path) -> None:
    folders = [Path(pvxslibs.path.include_path).with_name("lib"), Path(epics_path.lib_path)]
    flags = [f"-I{pvxslibs.path.include_path}", f"-I{epics_path.include_path}"]
    flags += [str(next(folders[0].glob("libpvxs.so*"))), str(folders[1] / "libCom.so")]
    flags += ["-std=c++17", *(f"-Wl,-rpath,{folder}" for folder in folders), "-lpthread"]
    flags += ["-Wl,--allow-shlib-undefined"]
    # The wheels for Python up to 3.13 are built with the old ABI of std::string.
    flags += ["-D_GLIBCXX_USE_CXX11_ABI=0"] if sys.version_info < (3, 14) else []
    command = ["c++", "-o", str(program), str(HERE / "big_endian.cpp"), *flags]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    for server in sys.argv[1:]:
        react(_record, [server])
    if len(sys.argv) == 1:
        for server in SERVERS:
            # A reactor can run only once in a process.
            subprocess.run([sys.executable, "-m", "tests.pv.pva.record", server], check=True)
