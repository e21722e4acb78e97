"""docs/client.md: its examples run, its command lines are valid."""

from __future__ import annotations

import itertools
import os
import re
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import LoopingCall
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import FieldType, Metadata
from pycawamp.client.arguments import parse
from tests.support.client_case import ClientTestCase
from tests.support.twistd import Twistd

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
URL = "ws://localhost:8888/monitor"
PROGRAM = "$ python -m pycawamp.client "


def blocks(language: str) -> list[str]:
    """The page's blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


class DocsTests(ClientTestCase):
    """The examples of the page."""

    @inlineCallbacks
    def run_example(self, code: str) -> Any:
        """Run an example at this test's gateway; fires with what it printed."""
        self.assertIn(URL, code)
        run = Twistd(reactor)
        self.addCleanup(run.kill)
        run.run([sys.executable, "-c", code.replace(URL, self.url)])
        ended = yield run.when_ended()
        self.assertEqual((run.errors, ended.status), ([], 0))
        return run.lines

    @inlineCallbacks
    def test_python(self) -> Any:
        """The Python examples do what the page says."""
        self.backend.add("demo:sine", 8.0, Metadata(FieldType.DOUBLE, 1, units="mm", precision=1))
        self.backend.add("demo:setpoint", 21.5)
        modes = Metadata(FieldType.ENUM, 1, enum_strs=("Idle", "Busy"))
        self.backend.add("demo:mode", 0, modes)
        yield self.start()
        requests, subscription, _ = blocks("python")
        value, states, error = yield self.run_example(requests)
        self.assertIn("8.0 mm 8.0 NO_ALARM", value)
        self.assertEqual(states, "('Idle', 'Busy')")
        self.assertIn("bad_value", error)
        values = itertools.count()
        changing = LoopingCall(lambda: self.backend.set("demo:sine", float(next(values))))
        changing.start(0.05)
        self.addCleanup(changing.stop)
        lines = yield self.run_example(subscription)
        self.assertEqual((lines[0], len(lines)), ("demo:sine connected", 4))

    @inlineCallbacks
    def test_users_test(self) -> Any:
        """The test in the page passes, under trial."""
        *_, code = blocks("python")
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        (folder / "test_setpoint.py").write_text(code)
        out, err, status = yield getProcessOutputAndValue(
            sys.executable,
            ["-m", "twisted.trial", "test_setpoint"],
            {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            str(folder),
        )
        self.assertEqual(status, 0, out + err)
        self.assertIn(b"PASSED (successes=1)", out)


class CommandLinesTests(SynchronousTestCase):
    """The command lines of the page."""

    def test_command_lines(self) -> None:
        """Every command line is valid."""
        lines = [line for block in blocks("console") for line in block.splitlines()]
        commands = [line for line in lines if line.startswith("$")]
        self.assertGreater(len(commands), 5)
        for line in commands:
            self.assertTrue(line.startswith(PROGRAM), line)
            parse(line.removeprefix(PROGRAM).split(), {})
