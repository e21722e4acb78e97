"""A gateway without p4p and pvxslibs."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.threads import deferToThread

from harness.pva import PVAServer
from pycawamp.demo.ports import PVAPorts
from tests.support.twistd_case import LOOPBACK, TwistdTestCase

HIDING = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"p4p", "pvxslibs", "setuptools_dso"}:
            print("searched for", name, flush=True)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""


class WithoutP4pTests(TwistdTestCase):
    """twistd in a Python that does not find these packages."""

    @inlineCallbacks
    def test_serves(self) -> Generator[Deferred[Any], Any, None]:
        """It starts without looking for them, and serves pvAccess PVs."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(HIDING)
        ports = PVAPorts.free()
        server = yield deferToThread(PVAServer, ports, "shared")
        self.addCleanup(server.kill)
        yield server.run("add('x', nt.NTScalar('d'), 1.5)")
        environment = {**ports.client_environment(), "PYTHONPATH": str(folder)}
        hidden = self.twistd(environment)
        hidden.run([sys.executable, "-c", "import p4p"])
        yield hidden.until_line("No module named 'p4p'")
        run = self.twistd(environment)
        ready = yield run.serve("--port", LOOPBACK, "--default-provider", "pva")
        client = yield self.connect(ready[1].replace("http", "ws", 1) + "monitor")
        client.send({"action": "connect", "pv": "x"})
        yield client.until(msg_type="monitor", pvname="x", value=1.5)
        self.assertEqual([line for line in run.lines if "searched for" in line], [])
