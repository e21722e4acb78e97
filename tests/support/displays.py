"""The code of display programs, which npm installs: see js/displays."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from twisted.trial.unittest import FailTest, SkipTest

DISPLAYS = Path(__file__).absolute().parents[2] / "js" / "displays"


def need_displays() -> None:
    """Skip the test if that code is not installed; in CI, only if npm is not installed either."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise SkipTest("needs Node and npm")
    if not (DISPLAYS / "node_modules").is_dir():
        missing = "needs `npm ci --ignore-scripts` in js/displays"
        raise (FailTest if os.environ.get("CI") == "true" else SkipTest)(missing)
