"""CONTRIBUTING.md: rules for tests, and the list of tests in the Makefile."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).absolute().parents[2]
TESTS = ROOT / "tests"


def imported(path: Path) -> list[str]:
    """Return the modules that a file imports, and what it imports from them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


class ContributingTests(SynchronousTestCase):
    """The tests themselves."""

    def test_imports(self) -> None:
        """No test module imports another one: what they share is in tests/support."""
        found = {
            f"{path.relative_to(ROOT)}: {name}"
            for path in TESTS.rglob("*.py")
            for name in imported(path)
            if re.match(r"tests\..*\btest_", name)
        }
        self.assertEqual(found, set())

    def test_quick_coverage(self) -> None:
        """The tests of `make quick-coverage` exist."""
        (names,) = re.findall(r"^QUICK = ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.M)
        paths = [TESTS / name.replace(".", "/") for name in names.replace("\\", "").split()]
        self.assertGreater(len(paths), 4)
        missing = [p for p in paths if not p.is_dir() and not p.with_suffix(".py").is_file()]
        self.assertEqual(missing, [])
