"""Whatever one client sends, the gateway does not stall, and neither memory nor log fills up.

The gateway is a separate process (`tests.support.measured_gateway`), which measures its own CPU
time; that is compared with the time of a piece of work in this process. The attacks are those of
`tests.support.hostile_messages`, and PYCASERVER_TEST_ATTACKS random ones from the seed
PYCASERVER_TEST_SEED.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from tests.support.attacker import connect
from tests.support.gateway_process import BlockingClient, Cost, GatewayProcess
from tests.support.hostile_messages import ANSWERED, MESSAGE, REPEATED, SINGLE, random_attack
from tests.support.timing import allowed

STALL = 10
"""Maximum CPU time until other clients are served, in multiples of that of `parsing`."""
REPETITIONS = 2
"""Repetitions of an attack, since CPU time is sometimes longer on a busy machine."""
MEMORY = 160 * 2**20
"""Maximum growth of the gateway by a client, in bytes: queued data and requests."""
KEPT = 100 * 2**20
"""Maximum growth of the gateway after all attacks, in bytes: memory kept by the allocator."""
ANSWERS = 20
"""Bytes of answers for each byte that a client sends."""
LINES = 6
"""Lines in the log for one attack."""
ATTACKS = int(os.environ.get("PYCASERVER_TEST_ATTACKS", "10"))
SEED = int(os.environ.get("PYCASERVER_TEST_SEED", "1066"))


class HostileMessagesTests(SynchronousTestCase):
    """One client with attacks."""

    timeout = allowed(600)

    def setUp(self) -> None:
        """Open a client that must not be affected."""
        self.gateway = GatewayProcess("--allow-put=anyone")
        self.addCleanup(self.gateway.end)
        self.bystander = BlockingClient(self.gateway.port)
        self.addCleanup(self.bystander.close)
        self.bystander.send(b"")
        self.memory = self.gateway.cost().memory
        self.longest = STALL * min(parsing() for _ in range(5))

    def attacked(self, data: bytes, reads: bool = True) -> tuple[Cost, BlockingClient]:
        """Send what a client sends, and disconnect when there are no more replies."""
        client = BlockingClient(self.gateway.port, reads)
        client.send(data)
        sending = self.gateway.cost()
        client.close()
        self.bystander.send(b"")
        leaving = self.gateway.cost()
        self.memory = leaving.memory
        cost = Cost(
            max(sending.stall, leaving.stall),
            max(sending.memory, leaving.memory),
            sending.lines + leaving.lines,
        )
        return cost, client

    def faults(self, data: bytes, reads: bool) -> list[str]:
        """Return what is wrong with the gateway's behaviour for a client that sends this."""
        before = self.memory
        cost, client = self.attacked(data, reads)
        found = []
        stall = cost.stall
        for _ in range(REPETITIONS):
            if stall > self.longest:
                stall = min(stall, self.attacked(data, reads)[0].stall)
        if stall > self.longest:
            found.append(f"stalled for {1000 * stall:.0f} ms, more than {1000 * self.longest:.0f}")
        if cost.memory - before > MEMORY:
            found.append(f"grew by {(cost.memory - before) >> 20} MiB")
        # Each put must have its line, and a `list` returns previously requested names.
        lines = [line for line in cost.lines if not line.startswith("put ")]
        if len(lines) > LINES:
            found.append(f"logged {len(lines)} lines, such as {lines[0]}")
        if client.received > ANSWERS * len(data) + MESSAGE and b'"list"' not in data:
            found.append(f"answered {len(data)} bytes by {client.received}")
        return found

    def assert_unharmed(self, attacks: Iterable[tuple[str, bytes, bool]]) -> None:
        """The gateway survives all attacks, given with label and whether the client reads."""
        before = self.memory
        faults = {
            (label, reads): found
            for label, data, reads in attacks
            if (found := self.faults(data, reads))
        }
        self.assertEqual(faults, {})
        self.assertLess(self.gateway.cost().memory - before, KEPT)

    def test_single(self) -> None:
        """Lists of names, too many or too deeply nested values, a megabyte of anything."""
        dice = random.Random(SEED)
        self.assert_unharmed((label, attack(dice), True) for label, attack in SINGLE.items())

    def test_many(self) -> None:
        """Many messages, frames without meaning, 20,000 PVs; replies read and unread."""
        dice = random.Random(SEED)
        self.assert_unharmed(
            (label, attack(dice), reads)
            for label, attack in REPEATED.items()
            for reads in ((True, False) if label in ANSWERED else (True,))
        )
        self.assert_no_stall_by_pipelined()

    def assert_no_stall_by_pipelined(self) -> None:
        """The gateway survives HTTP requests that do not wait for each other's responses."""
        for path in (b"/", b"/static/pycaserver.js", b"/nothing"):
            with connect(self.gateway.port) as client:
                # The gateway reads nothing while its responses are unread.
                client.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    client.sendall(b"GET %b HTTP/1.1\r\n\r\n" % path * 10_000)
                self.assertLess(self.gateway.cost().stall, self.longest, path)

    def test_random(self) -> None:
        """Combinations of these, with bytes cut or changed."""
        dice = random.Random(SEED)
        self.assert_unharmed(
            (f"number {number} of {SEED}", random_attack(dice), dice.random() < 0.5)
            for number in range(ATTACKS)
        )


def parsing() -> float:
    """Return the CPU time in seconds for parsing a message of the maximum size."""
    message = b"[" + b'"ab",' * (MESSAGE // 5) + b"0]"
    started = time.thread_time()
    json.loads(message)
    return time.thread_time() - started
