"""docs/embedding.md: every example in it runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pycawamp.access import Policy
from pycawamp.pv.interfaces import ISubscriber
from pycawamp.service.gateway import Gateway
from pycawamp.testing import connect
from tests.support.ioc_case import IOCTestCase
from tests.support.twistd import Twistd

DOCUMENT = Path(__file__).parents[2] / "docs" / "embedding.md"

ALARM = """
record(ao, "$(P)alarm") {
    field(VAL, "20")  field(PINI, "YES")  field(EGU, "mm")
    field(HIHI, "80") field(HHSV, "MAJOR")
}
"""


def example(name: str) -> str:
    """The example whose first line is its file's name."""
    found = re.search(rf"```python\n# {re.escape(name)}\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert found is not None, name
    return found.group(1)


class EmbeddingTests(IOCTestCase):
    """Each example, run for real."""

    @inlineCallbacks
    def test_tac(self) -> Generator[Deferred[Any], Any, None]:
        """The .tac file serves PVs under twistd, on the Site's own port."""
        yield self.start_ioc(ALARM)
        tac = Path(self.mktemp())
        text = example("gateway.tac").replace("tcp:8888", "tcp:0")
        # A test leaves no repeater behind.
        tac.write_text(text.replace("linger=60.0", "linger=60.0, own_repeater=True"))
        run = Twistd(reactor, self.ports.client_environment())
        self.addCleanup(run.kill)
        run.start("-ny", str(tac), "--pidfile=")
        port = (yield run.until_line(r"Site starting on (\d+)")).group(1)
        client = yield connect(reactor, f"ws://127.0.0.1:{port}/monitor")
        self.addCleanup(client.abort)
        client.send({"action": "connect", "pv": f"{self.prefix}alarm"})
        message = yield client.until(msg_type="monitor")
        self.assertEqual((message["value"], message["units"]), (20.0, "mm"))

    @inlineCallbacks
    def test_hub(self) -> Generator[Deferred[Any], Any, None]:
        """The hub's subscriber hears of an alarm and of the IOC's death, with no browser."""
        ioc = yield self.start_ioc(ALARM)
        fixture = yield self.start_gateway()
        heard: list[str] = []
        waiting: list[Deferred[str]] = []

        def alert(text: str) -> None:
            heard.append(text)
            waiting.pop().callback(text)

        names: dict[str, Any] = {}
        exec(example("watchdog.py"), names)
        watchdog = names["Watchdog"](fixture.gateway.hub, f"{self.prefix}alarm", alert)
        self.assertTrue(verifyObject(ISubscriber, watchdog))
        waiting.append(Deferred())
        watchdog.startService()
        self.addCleanup(watchdog.stopService)
        # A command that goes in before the PV is connected is heard too: as the first value.
        yield ioc.query(f'dbpf("{self.prefix}alarm", "90")')
        self.assertEqual((yield waiting[0]), f"{self.prefix}alarm = 90.0 mm: HIHI")
        waiting.append(Deferred())
        gone = waiting[0]
        yield self.kill_ioc(ioc)
        self.assertEqual((yield gone), f"{self.prefix}alarm is gone")

    @inlineCallbacks
    def test_test(self) -> Generator[Deferred[Any], Any, None]:
        """The test of a user's own passes under trial."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "test_mine.py").write_text(example("test_mine.py"))
        output, error, status = yield getProcessOutputAndValue(
            sys.executable,
            ["-m", "twisted.trial", "test_mine"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            path=str(folder),
        )
        self.assertEqual(status, 0, (output + error).decode())
        self.assertIn(b"Ran 1 tests", output)


class PublicNamesTests(SynchronousTestCase):
    """The table of names."""

    def test_names(self) -> None:
        """Each module path in the table is there to import."""
        for path in re.findall(r"^\| `(pycawamp[\w.]+)", DOCUMENT.read_text(), re.M):
            module, _, name = path.rpartition(".")
            found = __import__(module, fromlist=[name])
            self.assertTrue(hasattr(found, name) or __import__(path), path)

    def test_gateway(self) -> None:
        """The gateway's documented attributes exist before it runs."""
        gateway = Gateway(reactor, policy=Policy())
        self.assertTrue(gateway.resource)
        self.assertEqual(gateway.hub.names, [])
