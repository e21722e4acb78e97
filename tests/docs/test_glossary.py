"""docs/glossary.md names every class name that occurs more than once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[2]


def class_names() -> Counter[str]:
    """Return how often each class name of the product occurs, without private ones."""
    return Counter(
        node.name
        for path in (ROOT / "pycawamp").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


class GlossaryTests(SynchronousTestCase):
    """One name, one class."""

    def test_repeated(self) -> None:
        """The class names that occur more than once are those of the glossary."""
        _, paragraph = (ROOT / "docs" / "glossary.md").read_text().split("Some class names occur")
        repeated = {name for name, count in class_names().items() if count > 1}
        self.assertEqual(set(re.findall(r"`(\w+)`", paragraph)), repeated)
