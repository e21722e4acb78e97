"""`python -m tests`, on a few tests of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.timing import allowed

MODULE = """
import os
from twisted.trial.unittest import SynchronousTestCase

class Tests(SynchronousTestCase):
    def test_it(self):
        {body}
"""


class RunnerTests(SynchronousTestCase):
    """Results of workers, in one."""

    def run_tests(self, *names: str, **bodies: str) -> subprocess.CompletedProcess[str]:
        """Run a copy of the command with modules of one test each."""
        folder = Path(self.mktemp()) / "tests"
        (folder / "console").mkdir(parents=True)
        (folder / "support").mkdir()
        for each in (folder, folder / "console", folder / "support"):
            (each / "__init__.py").touch()
        for name in ("__main__.py", "support/process_state.py"):
            shutil.copy(Path(__file__).parents[1] / name, folder / name)
        for name, body in bodies.items():
            (folder / "console" / f"test_{name}.py").write_text(MODULE.format(body=body))
        command = [sys.executable, "-m", "tests", *names]
        return subprocess.run(
            command,
            check=False,
            cwd=folder.parent,
            capture_output=True,
            text=True,
            timeout=allowed(60),
        )

    def test_results(self) -> None:
        """Each module is run once; a failure is printed, and all results are counted."""
        ended = self.run_tests(
            good="pass", bad="self.fail('wrong')", odd="raise self.skipTest('x')"
        )
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertEqual(ended.stdout.count("tests.console.test_good.Tests.test_it ... [OK]\n"), 1)
        self.assertIn("FailTest: wrong\n", ended.stdout)
        self.assertRegex(ended.stdout, r"\nRan 3 tests in [0-9.]+s\n\nFAILED ")
        self.assertEqual(ended.stdout.splitlines()[-1], "FAILED (failures=1, skips=1, successes=1)")

    def test_crash(self) -> None:
        """A process that ends in a test is a failure, and which test it was can be seen."""
        ended = self.run_tests(
            early="os._exit(0)", crash="os._exit(3)", good="os.write(2, b'\\xff')"
        )
        self.assertEqual(ended.returncode, 1, ended.stdout)
        for name, status in (("early", 0), ("crash", 3)):
            self.assertIn(f"tests.console.test_{name}.Tests.test_it ... ", ended.stdout)
            self.assertIn(f"A process ended with status {status}", ended.stdout)

    def test_changed_process(self) -> None:
        """A module that leaves the process changed is reported with the changes."""
        ended = self.run_tests(
            variable="os.environ['X'] = '1'",
            folder="os.chdir('/')",
            umask="self.addCleanup(os.umask, os.umask(0))",
        )
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn("the variable X was None and is '1'\n", ended.stdout)
        self.assertRegex(ended.stdout, "the working directory was '.*' and is '/'\n")
        self.assertEqual(ended.stdout.splitlines()[-1], "FAILED (errors=2, successes=3)")

    def test_no_tests(self) -> None:
        """A name without tests is refused."""
        ended = self.run_tests("tests.web", good="pass")
        self.assertEqual(ended.returncode, 2)
        self.assertIn("tests.web has no tests: expected a package or module", ended.stderr)
