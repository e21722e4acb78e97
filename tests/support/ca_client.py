"""A Channel Access client in a process of its own: libca reads its environment only once."""

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
    """What a client's script gave to its ``answer``, and what else it said."""

    answer: Any
    stderr: str


def run_client(reactor: Any, ports: CAPorts, script: str) -> Deferred[ClientResult]:
    """Runs a script with ``epics`` imported and ``answer`` to call with its result."""
    # No PATH: libca would leave a caRepeater behind, where it found one.
    client = Twistd(reactor, {**ports.client_environment(), "PATH": os.devnull})
    client.run([sys.executable, "-c", _PRELUDE + textwrap.dedent(script)])
    return client.when_ended().addCallback(_result, client)


def _result(ended: Ended, client: Twistd) -> ClientResult:
    if ended.status != 0:
        raise AssertionError(f"the client failed: {client.lines}")
    (answer,) = [line for line in client.lines if line not in client.errors]
    return ClientResult(json.loads(answer), "\n".join(client.errors))
