"""Options of access, logins and limits: their settings, and the errors."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Writers
from pycawamp.config.options import OPTIONS, Options
from pycawamp.config.settings import Settings
from pycawamp.pv.memory import MemoryBackend
from pycawamp.service.app import assemble
from tests.support.logins import entry

LIMITS = [option.name for option in OPTIONS if option.name.startswith("max-")]


def settings_of(*argv: str) -> Settings:
    """Return the settings of a command line."""
    options = Options()
    options.parseOptions(argv)
    return options.settings


class RefusingTestCase(SynchronousTestCase):
    """Tests of refusals."""

    def refused(self, *argv: str) -> str:
        """Return the error before anything is opened, which is one line."""

        def start() -> None:
            assemble(reactor, settings_of(*argv), MemoryBackend())

        ended: SystemExit = self.assertRaises(SystemExit, start)
        line = str(ended.code)
        self.assertIsInstance(ended.code, str)
        self.assertTrue(line.startswith("pycaserver: "), line)
        self.assertNotIn("\n", line)
        return line


class PutTests(RefusingTestCase):
    """--allow-put."""

    def test_values(self) -> None:
        """Without it nobody may write; without a value, users with a login; or `anyone`."""
        self.assertIsNone(settings_of().writers)
        self.assertIs(settings_of("--allow-put=anyone").writers, Writers.ANYONE)
        for bare in ("--allow-put", "--allow-put=logged-in", "--allow-p"):
            writers = settings_of(bare, "--jwt-key=k", "--linger=1").writers
            self.assertIs(writers, Writers.LOGGED_IN)
        self.assertIs(settings_of("--allow-put", "--access=f").writers, Writers.LOGGED_IN)

    def test_nobody_can_log_in(self) -> None:
        """Without a value, it requires logins or an access file; the error says so."""
        line = self.refused("--allow-put")
        for hint in ("--htpasswd", "--allow-put=anyone"):
            self.assertIn(hint, line)
        self.assertIn("'everyone'", self.refused("--allow-put=everyone"))

    def test_guarded(self) -> None:
        """With puts or logins, pages of other origins may not connect; without, they may."""
        self.assertFalse(settings_of().rules.origins.restricted)
        self.assertFalse(settings_of("--pvlist=f").rules.origins.restricted)
        for argv in (
            ["--allow-put=anyone"],
            ["--htpasswd=f"],
            ["--jwt-key=f"],
            ["--trust-proxy=::1", "--user-header=X-User"],
        ):
            self.assertTrue(settings_of(*argv).rules.origins.restricted, argv)


class ValueTests(RefusingTestCase):
    """Values."""

    def test_files(self) -> None:
        """Files are found whatever twistd's working directory is."""
        settings = settings_of("--pvlist=a", "--access=b", "--htpasswd=c")
        self.assertEqual(settings.pvlist, str(Path("a").absolute()))
        self.assertEqual(settings.access, str(Path("b").absolute()))
        assert settings.logins is not None
        self.assertEqual(settings.logins.htpasswd, Path("c").absolute())

    def test_repeated(self) -> None:
        """Proxies and origins may be given several times, and several at once."""
        rules = settings_of(
            "--trust-proxy=10.0.0.1,fd00::/8",
            "--trust-proxy=unix",
            "--allow-put=anyone",
            "--allow-origin=http://a",
            "--allow-origin=http://b,http://c",
        ).rules
        self.assertEqual(len(rules.proxies.networks), 2)
        self.assertTrue(rules.proxies.unix)
        self.assertEqual(len(rules.origins.patterns), 3)

    def test_limits(self) -> None:
        """Limits are whole numbers, rates may be fractions."""
        settings = settings_of("--max-pvs=5", "--max-put-rate=0.5", "--max-header=600")
        self.assertEqual(settings.gateway.limits.pvs, 5)
        self.assertEqual(settings.gateway.limits.put_rate, 0.5)
        self.assertEqual(settings.http.max_header, 600)

    def test_bad_values(self) -> None:
        """Each invalid value is refused with the option, the value and what was expected."""
        bad = [(name, value) for name in LIMITS for value in ("", "0", "-1", "x", "nan", "inf")]
        bad += [("handshake-timeout", "0"), ("max-pvs", "1.5"), ("max-pvs", "٣")]
        bad += [("trust-proxy", "localhost"), ("trust-proxy", "10.0.0.1/8"), ("trust-proxy", "")]
        bad += [("allow-origin", "x"), ("allow-origin", ""), ("user-header", "X User")]
        bad += [("jwt-audience", ""), ("jwt-issuer", " "), ("pvlist", ""), ("htpasswd", "")]
        for name, value in bad:
            line = self.refused(f"--{name}={value}")
            self.assertIn(f"--{name}: expected ", line)
            self.assertIn(repr(value), line)

    def test_of_no_use(self) -> None:
        """Options that have no effect without another one are refused."""
        for argv in (
            ["--jwt-audience=x"],
            ["--jwt-issuer=x"],
            ["--user-header=X-User"],
            ["--require-login"],
        ):
            self.assertIn(argv[0].partition("=")[0], self.refused(*argv))


class FileTests(RefusingTestCase):
    """Files, which are read before anything is opened."""

    def write(self, text: str) -> str:
        """Return the path of a file with this content."""
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def test_missing(self) -> None:
        """A missing file is refused; the option and the file are named once."""
        for name in ("pvlist", "access", "htpasswd", "jwt-key"):
            self.assertEqual(
                self.refused(f"--{name}=/no/such"),
                f"pycaserver: --{name}: /no/such: cannot be read: No such file or directory",
            )
        self.assertIn(
            "privateKey=/no/such is not a valid endpoint: "
            "/no/such cannot be read: No such file or directory",
            self.refused("--port=ssl:1:privateKey=/no/such"),
        )

    def test_no_socket(self) -> None:
        """A socket that systemd did not pass is refused with a text."""
        line = self.refused("--port=systemd:domain=INET:index=0")
        self.assertIn("systemd passed no socket with this index", line)

    def test_mistakes(self) -> None:
        """An error in a file has its position."""
        for name, text, place in (
            ("pvlist", "X ALLOW\nY DNY\n", ":2:"),
            ("access", "ASG(DEFAULT) {RULE(1,READ) {CALC(x)}}", ":1:"),
            ("htpasswd", entry("alice") + "bob:{SHA}x\n", ":2: expected a bcrypt or argon2"),
            ("htpasswd", entry("alice") * 2, ":2: expected one entry for each user"),
            ("htpasswd", "# nobody\n", ":1: expected"),
            ("htpasswd", ":x\n", ":1: expected a user's name"),
            ("jwt-key", "short", "32 bytes"),
        ):
            path = self.write(text)
            line = self.refused(f"--{name}={path}")
            self.assertIn(str(Path(path)), line)
            self.assertIn(place, line)

    def test_nothing_secret(self) -> None:
        """The content of a password file is not shown."""
        line = self.refused(f"--htpasswd={self.write('alice:plaintext')}")
        self.assertNotIn("plaintext", line)
