"""docs/embedding.md: every example in it runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent, readBody
from zope.interface.verify import verifyObject

from pycawamp.access import IPolicy, Policy
from pycawamp.config.settings import GatewaySettings
from pycawamp.pv.interfaces import ISubscriber
from pycawamp.pv.memory import MemoryBackend
from pycawamp.service.gateway import Gateway
from pycawamp.sessions.limits import Limits
from pycawamp.testing import GatewayFixture, connect
from pycawamp.web.websocket import SocketLimits
from tests.support.ioc_case import IOCTestCase
from tests.support.twistd import Twistd

DOCUMENT = Path(__file__).parents[2] / "docs" / "embedding.md"

ALARM = """
record(ao, "$(P)alarm") {
    field(VAL, "20")  field(PINI, "YES")  field(EGU, "mm")
    field(HIHI, "80") field(HHSV, "MAJOR")
}
"""


ACCESS = """
HAG(here) {"127.0.0.1"}
ASG(DEFAULT) {
    RULE(1, READ)
    RULE(1, WRITE) {
        HAG(here)
    }
}
"""


@inlineCallbacks
def get_page(url: str) -> Generator[Deferred[Any], Any, bytes]:
    """Return the body of a page, once it is available."""
    response = yield Agent(reactor).request(b"GET", url.encode())
    body: bytes = yield readBody(response)
    assert response.code == 200, (url, response.code)
    return body


def example(name: str) -> str:
    """The example whose first line is its file's name."""
    found = re.search(rf"```python\n# {re.escape(name)}\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert found is not None, name
    return found.group(1)


class EmbeddingTests(IOCTestCase):
    """Each example is run."""

    @inlineCallbacks
    def test_tac(self) -> Generator[Deferred[Any], Any, None]:
        """The .tac file serves PVs under twistd, on the Site's port."""
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
    def test_policy_and_console(self) -> Generator[Deferred[Any], Any, None]:
        """The second .tac file serves the console and its own page, and allows a logged put."""
        yield self.start_ioc(ALARM)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "site.acf").write_text(ACCESS)
        text = example("operators.tac").replace("tcp:8888", "tcp:0")
        text = text.replace("site.acf", f"{folder}/site.acf").replace("puts.log", f"{folder}/log")
        text = text.replace("GatewaySettings(put_log", "GatewaySettings(own_repeater=True, put_log")
        tac = folder / "operators.tac"
        tac.write_text(text)
        run = Twistd(reactor, self.ports.client_environment())
        self.addCleanup(run.kill)
        run.start("-ny", str(tac), "--pidfile=")
        port = (yield run.until_line(r"Site starting on (\d+)")).group(1)
        page = yield get_page(f"http://127.0.0.1:{port}/")
        self.assertIn(b"<title>", page)
        self.assertEqual((yield get_page(f"http://127.0.0.1:{port}/shift")), b"Shift: A")
        client = yield connect(reactor, f"ws://127.0.0.1:{port}/monitor")
        self.addCleanup(client.abort)
        client.send({"action": "put", "pv": f"{self.prefix}alarm", "value": 30})
        reply = yield client.until()
        self.assertEqual((reply["msg_type"], reply.get("ok")), ("put", True))
        # The log has the value after the put, which the gateway reads first.
        client.send({"action": "get", "pv": f"{self.prefix}alarm"})
        self.assertEqual((yield client.until(msg_type="value"))["value"], 30.0)
        self.assertIn(f"{self.prefix}alarm", (folder / "log").read_text())

    @inlineCallbacks
    def test_own_policy(self) -> Generator[Deferred[Any], Any, None]:
        """The example of a policy is called for each put."""
        names: dict[str, Any] = {}
        exec(example("maintenance.py"), names)
        policy = names["MaintenancePolicy"]()
        self.assertTrue(verifyObject(IPolicy, policy))
        self.assertFalse(policy.decide("alice", "127.0.0.1", None, "X").write)
        policy.maintenance = True
        self.assertTrue(policy.decide("alice", "127.0.0.1", None, "X").write)
        backend = MemoryBackend()
        backend.add("X", 1.5)
        fixture = GatewayFixture(reactor, backend=backend, policy=policy)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        client = yield fixture.connect()
        client.send({"action": "put", "pv": "X", "value": 2.5})
        self.assertEqual((yield client.until())["code"], "forbidden")

    @inlineCallbacks
    def test_hub(self) -> Generator[Deferred[Any], Any, None]:
        """The hub's subscriber gets an alarm and the IOC's death, without a browser."""
        ioc = yield self.start_ioc(ALARM)
        fixture = yield self.start_gateway()
        alerts: list[str] = []
        waiting: list[Deferred[str]] = []

        def alert(text: str) -> None:
            alerts.append(text)
            waiting.pop().callback(text)

        names: dict[str, Any] = {}
        exec(example("watchdog.py"), names)
        watchdog = names["Watchdog"](fixture.gateway.hub, f"{self.prefix}alarm", alert)
        self.assertTrue(verifyObject(ISubscriber, watchdog))
        waiting.append(Deferred())
        watchdog.startService()
        self.addCleanup(watchdog.stopService)
        # A command before the PV is connected also has an effect: on the first value.
        yield ioc.query(f'dbpf("{self.prefix}alarm", "90")')
        self.assertEqual((yield waiting[0]), f"{self.prefix}alarm = 90.0 mm: HIHI")
        waiting.append(Deferred())
        gone = waiting[0]
        yield self.kill_ioc(ioc)
        self.assertEqual((yield gone), f"{self.prefix}alarm is disconnected")

    @inlineCallbacks
    def test_test(self) -> Generator[Deferred[Any], Any, None]:
        """The test in the page passes under trial."""
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

    def test_settings(self) -> None:
        """Each setting is in a table."""
        document = DOCUMENT.read_text()
        for settings in (GatewaySettings, SocketLimits, Limits):
            for field in attrs.fields(settings):
                self.assertRegex(document, rf"\n\|.*`{field.name}`.*\|")

    def test_gateway(self) -> None:
        """The gateway's documented attributes exist before it runs."""
        gateway = Gateway(reactor, policy=Policy())
        self.assertTrue(gateway.resource)
        self.assertEqual(gateway.hub.names, [])
