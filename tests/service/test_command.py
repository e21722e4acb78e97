"""The command `pycaserver`, its configuration file, and several ports.

`CommandTests` have the real programs, `RefusalTests` forks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue

from tests.support.twistd import READY
from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase, unix_endpoint


class FolderTestCase(TwistdTestCase):
    """Tests with a folder."""

    def setUp(self) -> None:
        """Make a folder."""
        super().setUp()
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)


class CommandTests(FolderTestCase):
    """`pycaserver` and `pycaserver-client`."""

    may_fork = False

    @inlineCallbacks
    def test_ports(self) -> Any:
        """With two endpoints in its file, it serves the PVs at both, and ends at SIGTERM."""
        yield self.start_ioc(RECORD)
        where = self.folder / "socket"
        config = self.folder / "pycaserver.toml"
        config.write_text(f'port = ["{LOOPBACK}", "unix:{where}"]\n')
        run = self.twistd()
        run.start(f"--config={config}", program="pycaserver")
        ready = yield run.until_line(READY.replace("(", "(http"))
        yield run.until_line("ready: open unix:")
        by_tcp = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        by_file = yield self.connect("ws://localhost/monitor", unix_endpoint(where))
        for client in (by_tcp, by_file):
            yield self.assert_live(client)
        run.signal("TERM")
        codes = yield gatherResults([client.when_closed() for client in (by_tcp, by_file)])
        self.assertEqual(codes, [1001, 1001])
        yield run.when_ended()
        self.assertFalse(where.exists())
        self.assertFalse(Path("twistd.pid").exists())

    @inlineCallbacks
    def test_client(self) -> Any:
        """`pycaserver-client` is the client's command line."""
        output, _, status = yield getProcessOutputAndValue(
            sys.executable, [str(Path(sys.executable).with_name("pycaserver-client")), "--help"]
        )
        self.assertEqual(status, 0)
        self.assertIn(b"monitor", output)


class RefusalTests(FolderTestCase):
    """What `pycaserver` does not start with."""

    @inlineCallbacks
    def test_second_port_taken(self) -> Any:
        """If one of the endpoints cannot be used, it says which and does not start."""
        where = self.folder / "no" / "such" / "folder"
        run = self.twistd()
        run.start(f"--port={LOOPBACK}", f"--port=unix:{where}", program="pycaserver")
        ended = yield run.when_ended()
        self.assertEqual(ended.status, 1)
        self.assertEqual(len(run.errors), 1, run.errors)
        self.assertIn(f"pycaserver: cannot listen on unix:{where}: ", run.errors[0])

    @inlineCallbacks
    def test_mistake(self) -> Any:
        """An error in the file ends it with one line on stderr and status 1."""
        config = self.folder / "pycaserver.toml"
        config.write_text("max-pv = 1\n")
        run = self.twistd({"PYCASERVER_CONFIG": str(config)})
        run.start(program="pycaserver")
        ended = yield run.when_ended()
        self.assertEqual(ended.status, 1)
        told = f"pycaserver: {config}:1: max-pv: no such option; did you mean max-pvs?"
        self.assertEqual(run.errors, [told])
