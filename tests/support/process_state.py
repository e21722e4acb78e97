"""State of the process that tests share, and changes that are undone when a test ends."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase


def set_environment(case: SynchronousTestCase, variables: Mapping[str, str]) -> None:
    """Set variables of the environment; when the test ends, all of it is as it was.

    That includes what a gateway with `--demo` sets.
    """
    before = dict(os.environ)

    def restore() -> None:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)

    os.environ.update(variables)
    case.addCleanup(restore)


def change_directory(case: SynchronousTestCase, folder: Path) -> None:
    """Make a folder the working directory until the test ends."""
    case.addCleanup(os.chdir, os.getcwd())
    os.chdir(folder)


def process_state() -> dict[str, Any]:
    """Return the state that tests may have changed, by a description of each part."""
    umask = os.umask(0)
    os.umask(umask)
    environment = {f"the variable {name}": text for name, text in os.environ.items()}
    return environment | {
        "the working directory": os.getcwd(),
        "the umask": oct(umask),
        "the handler of SIGHUP": signal.getsignal(signal.SIGHUP),
        "the garbage collector": (gc.isenabled(), gc.get_debug(), gc.get_threshold()),
        "the limit of file descriptors": resource.getrlimit(resource.RLIMIT_NOFILE),
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return the differences between two states, one per line."""
    return "".join(
        f"{name} was {before.get(name)!r} and is {after.get(name)!r}\n"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )
