"""A Channel Access client in a process of its own: libca reads its environment only once."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Any, cast

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.utils import getProcessOutputAndValue

from pycawamp.demo.process import CAPorts

_PRELUDE = """
import pycawamp.pv.ca.pyepics
import ctypes, epics, json, sys, threading, time
def answer(value):
    print(json.dumps(value))
"""


@frozen
class ClientResult:
    """What a client's script gave to its ``answer``, and what else it said."""

    answer: Any
    stderr: str


def run_client(reactor: IReactorProcess, ports: CAPorts, script: str) -> Deferred[ClientResult]:
    """Runs a script with ``epics`` imported and ``answer`` to call with its result."""
    plain = {key: text for key, text in os.environ.items() if not key.startswith("EPICS_")}
    # No PATH: libca would leave a caRepeater behind, where it found one.
    env = {**plain, **ports.client_environment(), "PATH": os.devnull}
    program = _PRELUDE + textwrap.dedent(script)
    finished = getProcessOutputAndValue(sys.executable, ["-c", program], env, reactor=reactor)
    return cast(Deferred[ClientResult], finished.addCallback(_result))


def _result(finished: tuple[bytes, bytes, int]) -> ClientResult:
    stdout, stderr, status = finished
    if status:
        raise AssertionError(f"the client failed: {stderr.decode(errors='replace')}")
    return ClientResult(json.loads(stdout), stderr.decode(errors="replace"))
