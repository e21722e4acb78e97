"""The content of the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"
SOURCES = {".c", ".cpp", ".h"}
"""Return the compiled files of a wheel, if any."""
BUILT = {".pyc", ".so"}


class WheelTests(SynchronousTestCase):
    """A wheel that is built from a copy of the tree."""

    def test_files(self) -> None:
        """It has all files of the packages, and nothing else."""
        copy = Path(self.mktemp()).absolute()
        copy.mkdir(parents=True)
        for name in ("pycawamp", "twisted"):
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "dropin.cache")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for path in ROOT.iterdir():
            if path.is_file() and path.suffix in {".cfg", ".toml", ".md", ".py", ".in", ""}:
                shutil.copy(path, copy)
        files = {path for name in ("pycawamp", "twisted") for path in (copy / name).rglob("*")}
        expected = {
            str(path.relative_to(copy))
            for path in files
            if path.is_file() and path.suffix not in SOURCES
        }
        built = subprocess.run(
            [sys.executable, "-c", BUILD],
            check=False,
            cwd=copy,
            # Without a compiler: compiled files are not compared.
            env={**os.environ, "CC": "false", "CXX": "false"},
            capture_output=True,
            text=True,
        )
        self.assertEqual(built.returncode, 0, built.stderr)
        # The warning of setuptools about folders that are not packages.
        self.assertNotIn("importable", built.stderr + built.stdout)
        (wheel,) = (copy / "dist").glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        self.assertGreater(len(expected), 200)
        self.assertEqual({name for name in names if Path(name).suffix not in BUILT}, expected)
