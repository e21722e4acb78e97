"""The names that applications import to embed the gateway."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pycawamp
from pycawamp import Gateway, GatewaySettings, Reading

ROOT = Path(__file__).resolve().parents[2]
EMBEDDING = (ROOT / "docs" / "embedding.md").read_text()


class PublicTests(SynchronousTestCase):
    """The names of `pycawamp`."""

    def test_all(self) -> None:
        """Each name exists, and is in dir()."""
        for name in pycawamp.__all__:
            self.assertIsNotNone(getattr(pycawamp, name))
        self.assertLessEqual(set(pycawamp.__all__), set(dir(pycawamp)))
        self.assertEqual(pycawamp.__version__, version("pycaserver"))
        self.assertFalse(hasattr(pycawamp, "no_such_name"))

    def test_same(self) -> None:
        """They are those of the modules that define them."""
        self.assertIs(Gateway, import_module("pycawamp.service.gateway").Gateway)
        self.assertIs(GatewaySettings, import_module("pycawamp.gateway").GatewaySettings)
        self.assertIs(Reading, import_module("pycawamp.pv.values").Reading)

    def test_typed(self) -> None:
        """Type checkers get each name from the module that it is loaded from."""
        tree = ast.parse((ROOT / "pycawamp" / "__init__.py").read_text())
        (types,) = (node for node in tree.body if isinstance(node, ast.If))
        imported = {
            alias.name: node.module
            for node in types.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        self.assertEqual(imported.keys() | {"__version__"}, set(pycawamp.__all__))
        for name, module in imported.items():
            self.assertIs(getattr(pycawamp, name), getattr(import_module(str(module)), name))

    def test_documented(self) -> None:
        """Every name in the table of docs/embedding.md can be imported."""
        table = EMBEDDING.partition("## In a .tac file")[0]
        rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
        names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        self.assertGreater(len(names), 20)
        self.assertEqual([name for name in names if name not in pycawamp.__all__], [])

    def test_earlier_paths(self) -> None:
        """Old import paths that were documented still work."""
        for path in (
            "pycawamp.gateway.Gateway",
            "pycawamp.gateway.GatewaySettings",
            "pycawamp.gateway.use_monotonic_clock",
            "pycawamp.pv.interfaces.ISubscriber",
            "pycawamp.pv.values.Reading",
            "pycawamp.pv.values.Metadata",
            "pycawamp.access.Policy",
            "pycawamp.access.Writers",
            "pycawamp.access.watch.PolicyWatcher",
            "pycawamp.testing.GatewayFixture",
            "pycawamp.sessions.putlog.PutLogError",
        ):
            module, _, name = path.rpartition(".")
            self.assertIs(getattr(import_module(module), name), getattr(pycawamp, name))

    def test_light(self) -> None:
        """Importing the package loads nothing else of it or of Twisted, as twistd does so often."""
        script = "import sys, pycawamp; print(*sorted(sys.modules))"
        loaded = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout.split()
        self.assertIn("pycawamp", loaded)
        heavy = [
            name for name in loaded if name.startswith(("pycawamp.", "twisted", "numpy", "epics"))
        ]
        self.assertEqual(heavy, [])
