"""The forks that tests use instead of new processes are equivalent to these."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.support.fork_server import fork_server
from tests.support.ioc_case import until_true
from tests.support.timing import allowed
from tests.support.twistd import Twistd

reactor = cast(Any, installed_reactor)
STATE = """
import ctypes, os, sys
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
print(sys.argv, os.getcwd(), os.getpid(), os.getppid(), getenv(b"EPICS_X"), os.environ["EPICS_X"])
print(sorted(map(int, os.listdir("/proc/self/fd"))), "twisted.internet.reactor" in sys.modules)
print("an error", file=sys.stderr)
sys.exit(7)
"""
DAEMON = """
import os, signal, sys
if os.fork():
    sys.exit(0)
os.setsid()
for stream in 0, 1, 2:
    os.close(stream)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1], sys.argv[2])
signal.pause()
"""
ORPHAN = """
import os, signal, sys
from harness.parent import die_with_parent
parent = os.getpid()
if os.fork():
    sys.exit(0)
while os.getppid() == parent:
    pass
print("orphan", os.getpid(), flush=True)
die_with_parent(parent)
print("lives on")
"""
OWNER = """
import os, signal, sys
from tests.support.fork_server import REQUIRED, fork_server
server = fork_server()
sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
fork = server.start(sleeper, {**os.environ, **REQUIRED}, 0, 1, 2)
print("pids", server.process.pid, fork.pid, flush=True)
signal.pause()
"""


class ForkServerTests(TestCase):
    """fork_server and ForkedProcess."""

    timeout = allowed(60)

    def run_code(self, code: str, *arguments: str, **environment: str) -> Twistd:
        """Run code, and stop it after the test."""
        run = Twistd(reactor, environment)
        self.addCleanup(run.kill)
        run.run([sys.executable, "-c", code, *arguments])
        return run

    @inlineCallbacks
    def test_state(self) -> Any:
        """A fork has its arguments, variables, folder, descriptors and exit status."""
        run = self.run_code(STATE, "a", "b c", EPICS_X="é")
        pid = run.pid
        ended = yield run.when_ended()
        self.assertEqual((ended.status, ended.signal), (7, None), run.lines)
        server = fork_server().process.pid
        printed, inside, error = run.lines
        xs = f"{'é'.encode()!r} é"
        self.assertEqual(printed, f"{['-c', 'a', 'b c']} {os.getcwd()} {pid} {server} {xs}")
        # The last descriptor is that of the directory listing.
        self.assertEqual(inside, "[0, 1, 2, 3] False")
        self.assertEqual((error, run.errors), ("an error", ["an error"]))
        self.assertRaises(RuntimeError, lambda: run.pid)

    @inlineCallbacks
    def test_signals(self) -> Any:
        """Signals end it, SIGINT as KeyboardInterrupt."""
        for name in ("TERM", "KILL", "INT"):
            run = self.run_code("import signal; print('runs', flush=True); signal.pause()")
            yield run.until_line("runs")
            run.signal(name)
            ended = yield run.when_ended()
            self.assertEqual((ended.status, ended.signal), (None, signal.Signals[f"SIG{name}"]))
            self.assertEqual("KeyboardInterrupt" in run.errors, name == "INT")

    @inlineCallbacks
    def test_daemon(self) -> Any:
        """A process that it leaves behind continues, and is not a child of the server."""
        started, written = (Path(self.mktemp()).absolute() for _ in range(2))
        run = self.run_code(DAEMON, str(started), str(written))
        ended = yield run.when_ended()
        self.assertEqual(ended.status, 0, run.lines)
        yield until_true(written.exists)
        pid = int(written.read_text())
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        self.assertNotEqual(int(parent), fork_server().process.pid)
        os.kill(pid, signal.SIGKILL)

    @inlineCallbacks
    def test_other_processes(self) -> Any:
        """With a variable that an import may read, or an option, a new process is started."""
        code = "import os; print(os.getppid())"
        by_variable = self.run_code(code, PYTHONHASHSEED="1")
        by_option = Twistd(reactor)
        by_option.run([sys.executable, "-S", "-c", code])
        for run in (by_variable, by_option):
            yield run.when_ended()
            self.assertEqual(run.lines, [str(os.getpid())])

    @inlineCallbacks
    def test_nothing_left(self) -> Any:
        """No descriptor remains open, here or in the server; the server may fork."""
        server = Path(f"/proc/{fork_server().process.pid}")
        yield self.run_code("pass").when_ended()
        before = [len(os.listdir(folder / "fd")) for folder in (server, Path("/proc/self"))]
        runs = [self.run_code(f"raise SystemExit({number})") for number in range(3)]
        for number, run in enumerate(runs):
            ended = yield run.when_ended()
            self.assertEqual(ended.status, number)
        after = [len(os.listdir(folder / "fd")) for folder in (server, Path("/proc/self"))]
        self.assertEqual(after, before)
        self.assertEqual(len(os.listdir(server / "task")), 1)
        maps = (server / "maps").read_text()
        self.assertNotIn("libCom", maps)
        self.assertIn("numpy", maps)

    @inlineCallbacks
    def test_owner_killed(self) -> Any:
        """When the process of the tests ends, the server and its forks end too."""
        owner = self.run_code(OWNER, PYTHONPATH=os.pathsep.join(sys.path))
        pids = (yield owner.until_line(r"pids (\d+ \d+)$"))[1].split()
        owner.signal("KILL")
        # Its streams are those of the fork too.
        yield owner.when_ended()
        yield until_true(lambda: not any(Path(f"/proc/{pid}/fd/0").exists() for pid in pids))

    @inlineCallbacks
    def test_parent_ended(self) -> Any:
        """A process ends even if its parent has ended before `die_with_parent`."""
        orphan = self.run_code(ORPHAN)
        yield orphan.when_ended()
        (line,) = orphan.lines
        self.assertRegex(line, r"orphan \d+")
