"""The command that prints a decision, and the lines that lead to it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.check import main


def _rights(read: str, write: str, *real: str) -> list[str]:
    return [f"read: {read}", f"write: {write}", *(f"real name: {name}" for name in real)]


class Check(SynchronousTestCase):
    """``pycaserver-access check``."""

    def setUp(self) -> None:
        """Write a site's files."""
        self.pvlist, self.access = Path(self.mktemp()), Path(self.mktemp())
        self.pvlist.write_text(
            ".* ALLOW\nold:\\(.*\\) ALIAS new:\\1 ops 0\nTEST DENY FROM localhost\n"
        )
        self.access.write_text(
            "UAG(u) {alice} ASG(DEFAULT) {RULE(1,READ)}\n"
            "ASG(ops) {RULE(0,WRITE,TRAPWRITE) {UAG(u)}}\n"
        )

    def run_with(self, *arguments: str) -> tuple[int, list[str], str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(["check", *arguments])
            except SystemExit as stopped:
                status = int(str(stopped.code))
        return status, out.getvalue().splitlines(), err.getvalue()

    def run_check(self, pv: str, *more: str) -> tuple[int, list[str], str]:
        files = ("--pvlist", str(self.pvlist), "--access", str(self.access))
        return self.run_with(*files, "--host", "127.0.0.1", "--pv", pv, *more)

    def test_granted(self) -> None:
        """For a readable PV, it exits with 0 and prints rights, real name and lines."""
        status, out, err = self.run_check("old:A", "--user", "alice", "--allow-put")
        self.assertEqual((status, err), (0, ""))
        rule = f"because {self.access}:2: RULE(0,WRITE,TRAPWRITE) {{ UAG(u) }}"
        self.assertEqual(out[:3], ["read: yes", "write: yes (trapped)", "real name: new:A"])
        self.assertEqual(
            out[3:], [f"because {self.pvlist}:2: old:\\(.*\\) ALIAS new:\\1 ops 0", rule]
        )

    def test_puts_off(self) -> None:
        """Without --allow-put, all puts are refused, as by the gateway; the last line says so."""
        status, out, _ = self.run_check("old:A", "--user", "alice")
        self.assertEqual((status, out[:2]), (0, ["read: yes", "write: no"]))
        self.assertEqual(out[-1], "because puts are not enabled (--allow-put)")

    def test_forbidden(self) -> None:
        """For a PV that may not be read, it exits with 3."""
        status, out, _ = self.run_check("old:A")
        self.assertEqual((status, out[:2]), (3, ["read: no", "write: no"]))

    def test_no_files(self) -> None:
        """Without files, the gateway's own rule is shown."""
        for more, write in (((), "no"), (("--allow-put", "anyone"), "yes")):
            status, out, _ = self.run_with("--host", "127.0.0.1", "--pv", "A", *more)
            self.assertEqual((status, out[:2]), (0, ["read: yes", f"write: {write}"]))

    def test_resolve(self) -> None:
        """With --resolve, host names in a file include their addresses."""
        self.assertEqual(self.run_check("TEST")[0], 0)
        self.assertEqual(self.run_check("TEST", "--resolve")[0], 3)
        self.assertEqual(self.run_check("TEST", "--host-name", "LOCALHOST")[0], 3)

    def test_bad_file(self) -> None:
        """An invalid file exits with 1 and prints file:line:column and what was expected."""
        self.access.write_text("ASG(a) {\n  CALC\n}")
        status, out, err = self.run_check("A")
        self.assertEqual((status, out), (1, []))
        self.assertEqual(err, f"{self.access}:2:3: expected INPA to INPU or RULE, found 'CALC'\n")

    def test_unresolved(self) -> None:
        """A host in DENY FROM without an address is an error, as nothing would be denied."""
        self.pvlist.write_text("# list\nTEST DENY FROM ::1, nowhere.invalid")
        status, _, err = self.run_check("A", "--resolve")
        self.assertEqual(status, 1)
        self.assertIn(f"{self.pvlist}:2:21: expected a host that has an address", err)

    def test_unreadable(self) -> None:
        """A file that is missing, incomplete, not UTF-8, or too large is named."""
        for content, place in (
            (b"A ALLOW # \xfc\n\xc3\xa9b\xff\n", ":2:3: expected printable characters in UTF-8"),
            (b"A ALLOW\nB ALLOW", ":2:8: expected a line feed at the end"),
            (None, ": cannot be read: No such file or directory"),
        ):
            self.pvlist.unlink()
            if content is not None:
                self.pvlist.write_bytes(content)
            status, _, err = self.run_check("A")
            self.assertEqual(status, 1)
            self.assertIn(f"{self.pvlist}{place}", err)
        with self.pvlist.open("wb") as file:
            file.truncate(5 << 20)
        self.assertIn("expected a file of at most", self.run_check("A")[2])

    def test_documented_files(self) -> None:
        """The examples of the documentation print what it says."""
        text = (Path(__file__).parents[2] / "docs" / "access.md").read_text()
        blocks = [block for block in text.split("```")[1::2] if "pycaserver-access" not in block]
        pvlist, acf = blocks
        self.pvlist.write_text(pvlist.replace("othergateway", "::1"))
        self.access.write_text(acf)
        granted = self.run_check("ps7", "--allow-put", "--user", "alice", "--host-name", "Console1")
        self.assertEqual(granted[1][:3], _rights("yes", "yes (trapped)", "PSCurrent7.ai"))
        self.assertEqual(
            self.run_check("BEAM:I", "--allow-put", "--user", "alice")[1][:2], _rights("yes", "no")
        )
        self.assertEqual(self.run_check("TEST:A.VAL")[0], 3)

    def test_inputs(self) -> None:
        """Rules with CALC are evaluated with the given values; an INP without one is named."""
        self.access.write_text('ASG(DEFAULT) {INPA(gate) RULE(1,READ) {CALC("A=2")}}\n')
        status, out, err = self.run_check("A")
        self.assertEqual((status, out[0]), (3, "read: no"))
        self.assertIn("gate has no value", err)
        status, out, err = self.run_check("A", "--input", "gate=1", "--input", "other=2")
        self.assertEqual((status, err), (3, "--input: the file has no INP other\n"))
        status, out, err = self.run_check("A", "--input", "gate=2")
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f'because {self.access}:1: RULE(1,READ) {{ CALC("A=2") }}', out)

    def test_warnings(self) -> None:
        """Parts of a file that have no effect are named."""
        self.access.write_text("ASG(DEFAULT) {RULE(1,READ)\nRULE(1,WRITE) {METHOD(x509)}}\n")
        status, _, err = self.run_check("A")
        self.assertEqual(status, 0)
        self.assertIn(f"{self.access}:2: ignored, as EPICS does not know it: RULE(1,WRITE)", err)

    def test_syntax(self) -> None:
        """A list for another build of the CA gateway is read like that build does."""
        self.pvlist.write_text("(A|B) ALLOW\n")
        self.assertEqual(self.run_check("A")[0], 1)
        self.assertEqual(self.run_check("A", "--pvlist-syntax", "pcre")[0], 0)
        self.assertEqual(self.run_check("A", "--pvlist-syntax", "gnu")[0], 3)

    def test_usage(self) -> None:
        """Wrong usage exits with 2."""
        self.assertEqual(self.run_check("A", "--input", "=1")[0], 2)
        self.assertEqual(self.run_with("--pv", "A")[0], 2)
