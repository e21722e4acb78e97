"""The options of the bus, for gateways and for ingests."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.client import Server
from pycawamp.config.options import IngestOptions, Options
from pycawamp.config.settings import BusSettings, IngestSettings
from pycawamp.service.bus import client_settings

SCALING = Path(__file__).parents[2] / "docs" / "scaling.md"


def ingest(*argv: str) -> IngestSettings:
    """Return the settings of an ingest's command line."""
    options = IngestOptions()
    options.parseOptions(argv)
    return options.settings


class BusOptionsTests(SynchronousTestCase):
    """The bus, and the login for it."""

    def refused(self, *argv: str, kind: type[Options | IngestOptions] = Options) -> str:
        """Return the error for a command line."""
        return str(self.assertRaises(SystemExit, kind().parseOptions, argv).code)

    def test_servers(self) -> None:
        """Servers are given with or without ports, with or without TLS."""
        for given, servers in (
            ("nats://a,b:4223", [Server("a"), Server("b", 4223)]),
            ("tls://a, [::1]:5", [Server("a", 4222, True), Server("::1", 5, True)]),
            ("127.0.0.1", [Server("127.0.0.1")]),
        ):  # fmt: skip
            found = ingest("--bus", given, "--name=A").bus
            self.assertEqual(list(found.servers), servers)
            self.assertEqual(found.name, "A")
        for wrong in ("", "http://a", "nats://", "nats://a,,b", "nats://user:secret@a", "a:b"):
            line = self.refused("--bus", wrong, "--name=A")
            self.assertIn("--bus: expected servers such as nats://one,two:4222", line)

    def test_together(self) -> None:
        """A bus requires a name, and the other options require a bus."""
        self.assertIn("--bus requires --name", self.refused("--bus=a"))
        for option in ("--name=A", "--bus-login=x", "--bus-ca=x", "--shard-key=x"):
            self.assertIn("requires --bus", self.refused(option))
        self.assertIn(
            "--demo cannot be used with --bus", self.refused("--demo", "--bus=a", "--name=e1")
        )
        self.assertIn("--bus is required", self.refused(kind=IngestOptions))
        self.assertIn("at most 40", self.refused("--bus=a", "--name=a.b"))
        self.assertIn(
            "not a regular expression", self.refused("--bus=a", "--name=a", "--shard-key=(")
        )
        self.assertIn("--port", self.refused("--bus=a", "--name=A", "--port=1", kind=IngestOptions))

    def test_no_bus(self) -> None:
        """Without the option, PVs come from IOCs."""
        options = Options()
        options.parseOptions([])
        self.assertIsNone(options.settings.bus)

    def test_login(self) -> None:
        """The login is in a file; a file without one is refused, as is one without certificates."""
        path = Path(self.mktemp())
        path.write_text("ann:secret:with:colons\n")
        found = client_settings(BusSettings((Server("a"),), "A", login=path))
        self.assertEqual((found.user, found.password), ("ann", "secret:with:colons"))
        self.assertNotIn("secret", repr(found))
        for text in ("ann", ":x", "a:b\nc:d", ""):
            path.write_text(text)
            settings = BusSettings((Server("a"),), "A", login=path)
            line = str(self.assertRaises(SystemExit, client_settings, settings).code)
            self.assertIn("--bus-login", line)
        settings = BusSettings((Server("a"),), "A", authorities=path)
        self.assertIn(
            "--bus-ca", str(self.assertRaises(SystemExit, client_settings, settings).code)
        )

    def test_documented(self) -> None:
        """docs/scaling.md contains all options of an ingest, and no others."""
        listed = re.search(r"An ingest takes (.*?)\. \[", SCALING.read_text(), re.DOTALL)
        assert listed is not None
        named = set(re.findall(r"`([a-z-]+)`", listed[1]))
        self.assertEqual(named, {each.name for each in IngestOptions.available} - {"config"})

    def test_file(self) -> None:
        """An ingest prints a configuration file with its own options."""
        out = io.StringIO()
        with redirect_stdout(out):
            argv = ["--bus=nats://a", "--name=A", "--print-config"]
            self.assertRaises(SystemExit, IngestOptions().parseOptions, argv)
        self.assertIn('bus = "nats://a"', out.getvalue())
        self.assertNotIn("drain-time", out.getvalue())
