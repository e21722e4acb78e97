"""The command line: argv to settings, or one line with the error."""

from __future__ import annotations

import contextlib
import io

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.options import Options
from pycawamp.config.settings import Settings


def settings_of(*argv: str) -> Settings:
    """Return the settings of a command line."""
    options = Options()
    options.parseOptions(argv)
    return options.settings


class OptionsTests(SynchronousTestCase):
    """Options."""

    def refused(self, *argv: str) -> str:
        """Return the error for a command line."""
        ended: SystemExit = self.assertRaises(SystemExit, settings_of, *argv)
        line = str(ended.code)
        # A text, which Python prints on stderr, exiting with status 1.
        self.assertIsInstance(ended.code, str)
        self.assertTrue(line.startswith("pycaserver: "), line)
        self.assertNotIn("\n", line)
        return line

    def test_defaults(self) -> None:
        """Without options the gateway listens on 8888 and runs no demo."""
        settings = settings_of()
        self.assertEqual(settings.ports, ("tcp:8888",))
        self.assertFalse(settings.demo)
        self.assertEqual(settings.gateway.connect_timeout, 5)
        self.assertEqual(settings.gateway.linger, 10)
        self.assertEqual(settings.gateway.socket.stall_timeout, 30)
        self.assertEqual(settings.gateway.socket.ping_interval, 20)

    def test_port(self) -> None:
        """A port is a number or any Twisted endpoint."""
        for given, port in [
            ("0", "tcp:0"),
            ("80", "tcp:80"),
            ("65535", "tcp:65535"),
            ("tcp:8888:interface=127.0.0.1", "tcp:8888:interface=127.0.0.1"),
            ("unix:/run/gateway.sock", "unix:/run/gateway.sock"),
            ("ssl:8443:privateKey=k.pem", "ssl:8443:privateKey=k.pem"),
        ]:
            self.assertEqual(settings_of("--port", given).ports, (port,))
        self.assertEqual(settings_of("-p", "81").ports, ("tcp:81",))

    def test_times(self) -> None:
        """Times are seconds, also fractions."""
        settings = settings_of("--connect-timeout=0.5", "--linger", "1e2", "--stall-timeout=3")
        self.assertEqual(settings.gateway.connect_timeout, 0.5)
        self.assertEqual(settings.gateway.linger, 100)
        self.assertEqual(settings.gateway.socket.stall_timeout, 3)
        self.assertTrue(settings_of("--demo").demo)

    def test_bad_port(self) -> None:
        """Invalid ports are refused, and named."""
        for port in ("", "bogus", "99999", "-1", "8888x", "80 80", "٣", "1" * 30):
            self.assertIn("--port", self.refused("--port", port))

    def test_bad_times(self) -> None:
        """Invalid times are refused, with the option and the value."""
        for name in ("connect-timeout", "linger", "stall-timeout", "ping-interval"):
            for value in ("", "soon", "-1", "nan", "inf", "5s"):
                line = self.refused(f"--{name}={value}")
                self.assertIn(f"--{name}", line)
                self.assertIn(repr(value), line)
        self.assertIn("at least 1", self.refused("--ping-interval=0.9"))

    def test_dialects(self) -> None:
        """Protocols of other gateways are served unless the option selects some."""
        self.assertEqual(settings_of().dialects.names, ("pvws", "epics2web"))
        self.assertEqual(settings_of("--dialects=epics2web").dialects.names, ("epics2web",))
        self.assertEqual(settings_of("--dialects", "none").dialects.names, ())
        for bad in ("", "wamp", "pvws,", "none,pvws"):
            self.assertIn(
                "none, or one or more of pvws,epics2web", self.refused(f"--dialects={bad}")
            )

    def test_pauses(self) -> None:
        """The throttles of PVWS are seconds, 0 for none."""
        dialects = settings_of().dialects
        self.assertEqual((dialects.pvws_throttle, dialects.pvws_array_throttle), (1, 10))
        dialects = settings_of("--pvws-throttle=0", "--pvws-array-throttle", "2.5").dialects
        self.assertEqual((dialects.pvws_throttle, dialects.pvws_array_throttle), (0, 2.5))
        for bad in ("", "-1", "inf", "nan", "soon"):
            self.assertIn("--pvws-throttle", self.refused(f"--pvws-throttle={bad}"))

    def test_unknown(self) -> None:
        """Unknown options and unexpected arguments are refused, and named."""
        self.assertIn("bogus", self.refused("--bogus"))
        self.assertIn("'8888'", self.refused("8888"))
        self.assertIn("--port", self.refused("--port"))
        self.assertIn("--demo", self.refused("--demo=yes"))

    def test_help(self) -> None:
        """`--help` has a description for each option, and exits with status 0."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            ended: SystemExit = self.assertRaises(SystemExit, settings_of, "--help")
        self.assertFalse(ended.code)
        for name in ("port", "demo", "connect-timeout", "linger", "stall-timeout"):
            self.assertRegex(output.getvalue(), rf"--{name}=?\s+\w+")

    def test_version(self) -> None:
        """`--version` prints the version, and exits with status 0."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            ended: SystemExit = self.assertRaises(SystemExit, settings_of, "--version")
        self.assertFalse(ended.code)
        self.assertRegex(output.getvalue(), r"^pycaserver \d+\.\d+")
