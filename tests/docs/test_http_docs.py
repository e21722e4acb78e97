"""docs/http.md: its commands are run, and answered as on the page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from pycawamp.web.problem import STATUSES
from tests.support.fixed_text import fixed
from tests.support.timing import allowed
from tests.support.twistd import Twistd

PAGE = Path(__file__).absolute().parents[2] / "docs" / "http.md"
COMMAND = re.compile(r"^```sh\n(.*?)^```\n\n```(json|text)\n(.*?)^```$", re.M | re.S)


class CommandTests(TestCase):
    """Each command, against a gateway that runs as the page says."""

    timeout = allowed(120)

    @inlineCallbacks
    def test_commands(self) -> Generator[Deferred[Any], Any, None]:
        """Each response is that of the page, except for line breaks and changing values."""
        if shutil.which("curl") is None:
            raise SkipTest("no curl: apt-get install curl")
        run = Twistd(reactor)
        self.addCleanup(run.kill)
        port = "tcp:0:interface=127.0.0.1"
        ready = yield run.serve("--demo", "--allow-put=anyone", "--port", port)
        examples = COMMAND.findall(PAGE.read_text())
        self.assertGreater(len(examples), 6)
        where = ready.group(0).rpartition("/")[0].rpartition("/")[2]
        for commands, kind, shown in examples:
            script = commands.replace("localhost:8888", where)
            output, error, _ = yield getProcessOutputAndValue("/bin/sh", ["-c", script])
            self.assertEqual(error, b"", commands)
            came = fixed(output.decode())
            expected = fixed(_joined(shown) if kind == "json" else shown)
            self.assertEqual(came.strip(), expected.strip(), commands)


class TableTests(SynchronousTestCase):
    """The table of statuses."""

    def test_codes(self) -> None:
        """Each code of the protocol that a request can lead to is listed with its status."""
        rows = dict(re.findall(r"^\| ([\d, ]+) \| (.*) \|$", PAGE.read_text(), re.M))
        # By HTTP, a message is what the gateway makes of a request.
        for code in STATUSES.keys() - {"unknown_action", "too_large", "unauthenticated"}:
            self.assertIn(f"`{code}`", rows[str(STATUSES[code])])


def _joined(block: str) -> str:
    return "".join(line.strip() for line in block.splitlines())
