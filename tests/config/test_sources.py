"""Options from a file and from the environment, and their precedence."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Writers
from pycawamp.config.describe import configuration_file
from pycawamp.config.option import Given
from pycawamp.config.options import OPTIONS, Options
from pycawamp.config.settings import Settings
from pycawamp.config.sources import from_file
from tests.support.examples import examples
from tests.support.process_state import set_environment


def settings_of(*argv: str) -> Settings:
    """Return the settings of a command line."""
    options = Options()
    options.parseOptions(argv)
    return options.settings


class SourceTestCase(SynchronousTestCase):
    """Tests with a configuration file."""

    def setUp(self) -> None:
        """Make a folder."""
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.path = str(self.folder / "pycaserver.toml")

    def write(self, text: str) -> str:
        """Make a configuration file; return the option that names it."""
        Path(self.path).write_text(text)
        return f"--config={self.path}"

    def set(self, variable: str, text: str) -> None:
        """Set an environment variable until the test ends."""
        set_environment(self, {variable: text})

    def refused(self, *argv: str) -> str:
        """Return the error for a command line."""
        ended: SystemExit = self.assertRaises(SystemExit, settings_of, *argv)
        line = str(ended.code)
        self.assertTrue(line.startswith("pycaserver: "), line)
        self.assertNotIn("\n", line)
        return line.removeprefix("pycaserver: ")


class FileTests(SourceTestCase):
    """--config."""

    def test_values(self) -> None:
        """A file sets options of all kinds: texts, numbers, yes and no, lists."""
        settings = settings_of(
            self.write(
                'port = ["tcp:1", 2]\nmax-pvs = 7\nlinger = 0.5\ndemo = true\n'
                'allow-put = "anyone"\ntrust-proxy = "10.0.0.1,10.0.0.2"\nrequire-login = false\n'
            )
        )
        self.assertEqual(settings.ports, ("tcp:1", "tcp:2"))
        self.assertEqual(settings.gateway.limits.pvs, 7)
        self.assertEqual(settings.gateway.linger, 0.5)
        self.assertTrue(settings.demo)
        self.assertIs(settings.writers, Writers.ANYONE)
        self.assertEqual(len(settings.rules.proxies.networks), 2)
        self.assertFalse(settings.rules.required)

    def test_empty(self) -> None:
        """An empty file, and an empty list, set nothing."""
        self.assertEqual(settings_of(self.write("")), settings_of())
        self.assertEqual(settings_of(self.write("port = []\n")), settings_of())

    def test_paths(self) -> None:
        """The name of a file is relative to the folder of the configuration file."""
        settings = settings_of(self.write('pvlist = "lists/a"\naccess = "/etc/b"\n'))
        self.assertEqual(settings.pvlist, str(self.folder / "lists" / "a"))
        self.assertEqual(settings.access, "/etc/b")

    def test_unknown(self) -> None:
        """Unknown keys are refused, with the line and the most similar option."""
        for text, line, key, hint in (
            ("# max-pv = 1\n\nmax-pv = 1\n", 3, "max-pv", "max-pvs"),
            ('"conect-timeout" = 1\n', 1, "conect-timeout", "connect-timeout"),
            ("linger = 1\n[limits]\nmax-pvs = 1\n", 2, "limits", ""),
            ("linger = 1\nlimits.pvs = 1\n", 2, "limits", ""),
            ('config = "other"\n', 1, "config", ""),
        ):
            with self.subTest(text):
                error_text = self.refused(self.write(text))
                self.assertTrue(
                    error_text.startswith(f"{self.path}:{line}: {key}: no such option"), error_text
                )
                self.assertEqual(
                    error_text.partition("; did you mean ")[2], f"{hint}?" if hint else ""
                )

    def test_bad_values(self) -> None:
        """An invalid value is refused with file, line, option, what was expected and the value."""
        for text, line, error_text in (
            ("\nmax-pvs = 0\n", 2, "max-pvs: expected a whole number from 1"),
            ("max-pvs = 1.5\n", 1, "got '1.5'"),
            ("max-pvs = true\n", 1, "max-pvs: expected a string or a number, got true"),
            ("max-pvs = [1]\n", 1, "max-pvs: expected a string or a number, got [1]"),
            ("linger = 2026-11-26\n", 1, "linger: expected a string or a number, got"),
            ("port = [[1]]\n", 1, "port: expected a list of strings or numbers, got [1]"),
            ('demo = "yes"\n', 1, "demo: expected true or false, got 'yes'"),
            ('pvlist = ""\n', 1, "pvlist: expected the name of a file, got ''"),
            ("linger = nan\n", 1, "linger: expected seconds, more than 0, got 'nan'"),
        ):
            with self.subTest(text):
                refusal = self.refused(self.write(text))
                self.assertTrue(refusal.startswith(f"{self.path}:{line}: "), refusal)
                self.assertIn(error_text, refusal)
                self.assertEqual(refusal.count(self.path), 1, refusal)

    def test_no_toml(self) -> None:
        """A file that is not TOML is refused with the position; so is one that is not text."""
        self.assertIn("line 2", self.refused(self.write("linger = 1\nmax-pvs 5\n")))
        Path(self.path).write_bytes(b"linger = \xff\n")
        self.assertIn(f"{self.path}: expected a TOML file", self.refused(f"--config={self.path}"))

    def test_unreadable(self) -> None:
        """A file that cannot be read is refused, named once, with the reason."""
        self.assertEqual(
            self.refused("--config=/no/such"),
            "--config: cannot read /no/such: No such file or directory",
        )
        self.assertIn("directory", self.refused(f"--config={self.folder}"))


class EnvironmentTests(SourceTestCase):
    """PYCASERVER_*."""

    def test_values(self) -> None:
        """Variables set options of all kinds; several values are separated by commas."""
        self.set("PYCASERVER_MAX_PVS", "7")
        self.set("PYCASERVER_DEMO", "on")
        self.set("PYCASERVER_PORT", "tcp:1, 2")
        settings = settings_of()
        self.assertEqual(settings.gateway.limits.pvs, 7)
        self.assertTrue(settings.demo)
        self.assertEqual(settings.ports, ("tcp:1", "tcp:2"))

    def test_empty(self) -> None:
        """An empty variable sets nothing."""
        self.set("PYCASERVER_MAX_PVS", "")
        self.assertEqual(settings_of(), Settings(rules=settings_of().rules))

    def test_of_others(self) -> None:
        """The variables of the client and of the compiled part are not options."""
        self.set("PYCASERVER_PASSWORD", "secret")
        self.set("PYCASERVER_FAST", "0")
        self.assertEqual(settings_of(), Settings(rules=settings_of().rules))

    def test_bad(self) -> None:
        """An invalid value is refused with its variable; so is an unknown variable."""
        self.set("PYCASERVER_MAX_PVS", "many")
        self.assertIn("PYCASERVER_MAX_PVS: expected a whole number", self.refused())
        self.set("PYCASERVER_MAX_PVS", "1")
        self.set("PYCASERVER_DEMO", "perhaps")
        self.assertIn("PYCASERVER_DEMO: expected yes or no, got 'perhaps'", self.refused())
        self.set("PYCASERVER_DEMO", "no")
        self.set("PYCASERVER_MAX_PV", "1")
        self.assertEqual(
            self.refused(),
            "PYCASERVER_MAX_PV: no such option; did you mean PYCASERVER_MAX_PVS?",
        )

    def test_order(self) -> None:
        """Arguments take precedence over variables, these over the file, this over defaults."""
        config = self.write("max-pvs = 1\nport = [1, 2]\n")
        self.assertEqual(settings_of(config).gateway.limits.pvs, 1)
        self.set("PYCASERVER_MAX_PVS", "2")
        self.assertEqual(settings_of(config).gateway.limits.pvs, 2)
        self.assertEqual(settings_of(config, "--max-pvs=20000").gateway.limits.pvs, 20000)
        self.assertEqual(settings_of(config, "--port=3").ports, ("tcp:3",))
        self.set("PYCASERVER_DEMO", "yes")
        self.assertTrue(settings_of(self.write("demo = false\n")).demo)

    def test_config(self) -> None:
        """A variable may name the file; an argument takes precedence."""
        self.write("max-pvs = 1\n")
        self.set("PYCASERVER_CONFIG", self.path)
        self.assertEqual(settings_of().gateway.limits.pvs, 1)
        other = self.folder / "other.toml"
        other.write_text("max-names = 3\n")
        self.assertEqual(settings_of(f"--config={other}").gateway.limits.pvs, 20000)


class PrintTests(SourceTestCase):
    """--print-config."""

    def printed(self, *argv: str) -> str:
        """Return what is printed."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            ended: SystemExit = self.assertRaises(SystemExit, settings_of, *argv, "--print-config")
        self.assertFalse(ended.code)
        return output.getvalue()

    def test_template(self) -> None:
        """Without options, it prints all of them as comments: the file changes nothing."""
        text = self.printed()
        self.assertEqual(settings_of(self.write(text)), settings_of())
        names = [option.name for option in OPTIONS if option.is_in_files]
        self.assertEqual(
            [line[1:].partition(" = ")[0] for line in text.splitlines() if " = " in line[:40]],
            names,
        )

    def test_defaults(self) -> None:
        """The values in the comments are the defaults, in TOML."""
        lines = [
            line[1:]
            for line in self.printed().splitlines()
            if line.startswith("#") and line[1] != " "
        ]
        given_ones = [line for line in lines if not line.endswith(('""', "[]"))]
        self.assertGreater(len(given_ones), 20)
        self.assertEqual(settings_of(self.write("\n".join(given_ones))), settings_of())

    def test_given(self) -> None:
        """A command line and the file that it prints have the same settings, in any folder."""
        argv = (
            "--port=1",
            "--port=unix:/tmp/a b",
            "--demo",
            "--linger=1e-1",
            "--pvlist=list",
            "--user-header=X-User",
            "--trust-proxy=::1,10.0.0.0/8",
            "--trust-proxy=unix",
            '--put-log=/tmp/"\\é\x7f',
            "--allow-put",
        )
        expected = settings_of(*argv)
        self.assertEqual(settings_of(self.write(self.printed(*argv))), expected)

    def test_refused(self) -> None:
        """Invalid options are refused."""
        self.assertIn("--max-pvs", self.refused("--max-pvs=0", "--print-config"))

    @hypothesis_settings(max_examples=examples(100), deadline=None)
    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_any_text(self, text: str) -> None:
        """Any text is written so that it is read unchanged."""
        text = text.strip() or "x"
        (option,) = [each for each in OPTIONS if each.name == "jwt-issuer"]
        written = configuration_file([option], {"jwt-issuer": [Given(text, "")]})
        with tempfile.NamedTemporaryFile("w", newline="", encoding="utf-8") as file:
            file.write(written)
            file.flush()
            (read,) = from_file([option], file.name)["jwt-issuer"]
        self.assertEqual(read.text, text)
