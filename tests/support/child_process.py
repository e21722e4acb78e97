"""Parts of a test that run in a separate process, so that they do not slow the gateway down."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue

ROOT = str(Path(__file__).parents[2])


@inlineCallbacks
def run(module: str, *arguments: object) -> Generator[Deferred[Any], Any, bytes]:
    """Run a module; fires with its stdout, fails if it wrote to stderr."""
    command = ["-m", module, *map(str, arguments)]
    output, errors, status = yield getProcessOutputAndValue(
        sys.executable, command, os.environ, ROOT, reactor
    )
    if errors or status:
        raise AssertionError(f"{module} ended with {status}: {errors.decode()}")
    return cast(bytes, output)
