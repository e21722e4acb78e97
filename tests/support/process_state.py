"""Changes of what all tests of a process share, which end with the test that makes them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


def set_environment(case: SynchronousTestCase, variables: Mapping[str, str]) -> None:
    """Set variables of the environment until the test ends."""
    before = {name: os.environ.get(name) for name in variables}

    def restore() -> None:
        for name, text in before.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text

    os.environ.update(variables)
    case.addCleanup(restore)


def change_directory(case: SynchronousTestCase, folder: Path) -> None:
    """Make a folder the working directory until the test ends."""
    case.addCleanup(os.chdir, os.getcwd())
    os.chdir(folder)
