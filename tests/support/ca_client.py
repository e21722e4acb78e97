"""A Channel Access client in a separate process, because libca reads its environment only once."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from pycawamp.demo.process import CAPorts
from tests.support.twistd import Ended, Twistd

_PRELUDE = """
import pycawamp.pv.ca.pyepics
import ctypes, epics, json, sys, threading, time
def answer(value):
    print(json.dumps(value))
"""


@frozen
class ClientResult:
    """The argument of ``answer`` in a client's script, and its other output."""

    answer: Any
    stderr: str


def run_client(reactor: Any, ports: CAPorts, script: str) -> Deferred[ClientResult]:
    """Run a script with ``epics`` imported, which calls ``answer`` with its result."""
    # No PATH, so that libca does not find a caRepeater and leave it running.
    client = Twistd(reactor, {**ports.client_environment(), "PATH": os.devnull})
    client.run([sys.executable, "-c", _PRELUDE + textwrap.dedent(script)])
    return client.when_ended().addCallback(_result, client)


def _result(ended: Ended, client: Twistd) -> ClientResult:
    if ended.status != 0:
        raise AssertionError(f"the client failed: {client.lines}")
    (answer,) = [line for line in client.lines if line not in client.errors]
    return ClientResult(json.loads(answer), "\n".join(client.errors))
