"""Whatever one client sends: the gateway stalls for nobody, and neither memory nor log fills up.

The gateway is a process of its own (`tests.support.measured_gateway`); what it takes is measured
there, in processor time. The attacks are those of the list below, and as many random ones as
PYCASERVER_TEST_ATTACKS says, from the seed that PYCASERVER_TEST_SEED says.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import sys
import time
from collections.abc import Callable, Iterator
from subprocess import PIPE, Popen
from typing import Any, TypeAlias

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.support.attacker import connect, open_socket
from tests.support.child_process import ROOT
from tests.support.measured_gateway import MANY

FACTOR = float(os.environ.get("PYCASERVER_TEST_TIME_FACTOR", "3"))
"""How much slower than a developer's idle machine this one may be."""
STALL = 0.050 * FACTOR
"""Seconds of processor time that the reactor may spend without a look at other clients."""
MEMORY = 160 * 2**20
"""Bytes by which a client may make the gateway grow: what waits for it, and what it asked for."""
KEPT = 100 * 2**20
"""Bytes by which the gateway may have grown after all attacks: what the allocator keeps."""
ANSWERS = 20
"""Bytes of answers for each byte that a client sends."""
LINES = 6
"""Lines in the log for one attack."""
ATTACKS = int(os.environ.get("PYCASERVER_TEST_ATTACKS", "10"))
SEED = int(os.environ.get("PYCASERVER_TEST_SEED", "1066"))
PATIENCE = 60.0
"""Seconds for which an attack is waited for."""
MESSAGE = 2**20
"""Bytes of the largest message that is allowed."""
END = "end"

Attack: TypeAlias = Callable[[random.Random], bytes]


def frame(payload: bytes, first: int = 0x81) -> bytes:
    """A client's frame, masked with zeros."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 2**16:
        head = b"\xfe" + size.to_bytes(2, "big")
    else:
        head = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + head + bytes(4) + payload


def text(**keys: Any) -> bytes:
    """A request."""
    return frame(json.dumps(keys, separators=(",", ":")).encode())


def filled(before: str, unit: str, after: str, size: int = MESSAGE) -> bytes:
    """A message of a size, most of it a list of the same."""
    number = (size - len(before) - len(after)) // (len(unit) + 1)
    return frame((before + ",".join([unit] * number) + after).encode())


def names(first: int, last: int, prefix: str = "n") -> list[str]:
    """Names of PVs."""
    return [f"{prefix}{number}" for number in range(first, last)]


def connected(number: int = MANY) -> bytes:
    """Requests that connect to many PVs."""
    return b"".join(
        text(action="connect", pvs=names(at, min(at + 5000, number)))
        for at in range(0, number, 5000)
    )


def many_keys(_dice: random.Random) -> bytes:
    """A ping with as many keys as fit."""
    keys = ",".join(f'"k{number}":{number}' for number in range(60_000))
    return frame(f'{{"action":"ping",{keys}}}'.encode())


LISTS = {
    "empty names": '""',
    "numbers as names": "1",
    "lists as names": "[]",
    "objects as names": "{}",
    "null as names": "null",
    "long names": json.dumps("x" * 600),
    "unprintable names": json.dumps("\u0001" * 400),
    "one name again and again": '"X"',
}
VALUES = {
    "ones": "1",
    "fractions": "0.5",
    "long fractions": "0." + "123456789" * 2,
    "huge exponents": "1e999",
    "400 digits": "9" * 400,
    "empty strings": '""',
    "short strings": '"ab"',
    "labels": '"state 15"',
    "true": "true",
    "null": "null",
    "lists": "[]",
    "objects": "{}",
    "deep lists": "[" * 1000 + "]" * 1000,
}
HUGE: dict[str, bytes] = {
    "an id of a megabyte": frame(b'{"action":"ping","id":"%b"}' % (b"x" * (MESSAGE - 99))),
    "deep values": b"".join(
        frame(b'{"action":"put","pv":"X","value":%b%b}' % (b"[" * 1000, b"]" * 1000))
        for _ in range(100)
    ),
    "an id of many digits": frame(b'{"action":"ping","id":%b}' % (b"9" * (MESSAGE - 99))),
    "an action of a megabyte": frame(b'{"action":"%b"}' % (b"x" * (MESSAGE - 99))),
    "an option of a megabyte": frame(
        b'{"action":"configure","arrays":"%b"}' % (b"x" * (MESSAGE - 99))
    ),
    "an unknown option": frame(b'{"action":"configure","%b":1}' % (b"x" * (MESSAGE - 99))),
    "a name of a megabyte": frame(b'{"action":"get","pv":"%b"}' % (b"x" * (MESSAGE - 99))),
    "escapes": frame(b'{"action":"get","pv":"%b"}' % (rb"\u00e4" * ((MESSAGE - 99) // 6))),
    "a bare megabyte": frame(b"x" * MESSAGE),
    "digits": frame(b"1" * MESSAGE),
    "blanks": frame(b"[" + b" " * (MESSAGE - 1)),
    "open brackets": frame(b"[" * MESSAGE),
    "open braces": frame(b'{"":' * (MESSAGE // 4)),
    "a megabyte of binary": frame(bytes(MESSAGE), 0x82),
    "more than a megabyte": frame(bytes(MESSAGE + 1)),
    "no UTF-8 at the end": frame(b"x" * (MESSAGE - 1) + b"\xff"),
}


def _named() -> Iterator[tuple[str, Attack]]:
    for label, message in HUGE.items():
        yield label, lambda _, message=message: message  # type: ignore[misc]
    yield "many keys", many_keys
    for label, unit in LISTS.items():
        for action in ("connect", "disconnect"):
            yield (
                f"{action}: {label}",
                lambda _, unit=unit, action=action: filled(  # type: ignore[misc]
                    f'{{"action":"{action}","id":"{"i" * 256}","pvs":[', unit, "]}"
                ),
            )
            yield (
                f"{action}: {label}, as many as may be",
                lambda _, unit=unit, action=action: filled(  # type: ignore[misc]
                    f'{{"action":"{action}","id":"{"i" * 256}","pvs":[',
                    unit,
                    "]}",
                    min(MESSAGE, MANY * (len(unit) + 1)),
                ),
            )
    for pv in ("X", "doubles", "strings", "enums"):
        for label, unit in VALUES.items():
            yield (
                f"put to {pv}: {label}",
                lambda _, unit=unit, pv=pv: filled(  # type: ignore[misc]
                    f'{{"action":"put","pv":"{pv}","value":[', unit, "]}"
                ),
            )
    yield (
        "an id of 500 kB with a list",
        lambda _: filled(f'{{"action":"connect","id":"{"i" * 500_000}","pvs":[', '""', "]}"),
    )
    yield "20,000 PVs, and gone", lambda _: connected()
    yield (
        "20,000 PVs, connected and left",
        lambda _: connected() + text(action="disconnect", pvs=names(0, MANY)),
    )
    yield (
        "20,000 PVs that are not there",
        lambda _: text(action="connect", pvs=names(0, MANY, "nowhere")),
    )
    yield "lists of 20,000 PVs", lambda _: connected() + text(action="list") * 300
    yield "100,000 names", lambda _: text(action="connect", pvs=names(0, 100_000))
    yield "pings", lambda _: frame(b"", 0x89) * 50_000
    yield "requests for pongs", lambda _: text(action="ping") * 50_000
    yield "pongs", lambda _: frame(b"x" * 12, 0x8A) * 50_000
    yield "empty messages", lambda _: frame(b"") * 50_000
    yield "empty fragments", lambda _: frame(b"", 1) + frame(b"", 0) * 100_000
    yield "fragments of a byte", lambda _: frame(b"x", 1) + frame(b"x", 0) * 100_000
    yield "fragments of two bytes", lambda _: frame(b"xy", 1) + frame(b"xy", 0) * 100_000
    yield "configurations", lambda _: text(action="configure", batch=True) * 20_000
    yield "bad frames", lambda _: frame(b"", 0x83) * 10_000
    yield "gets", lambda _: text(action="get", pv="X", id=1) * 20_000
    yield "bare names", lambda _: frame(b"X") * 20_000
    yield (
        "rates",
        lambda _: b"".join(
            text(action="connect", pv="X", max_rate=1 + number / 100) for number in range(5000)
        ),
    )


NAMED = dict(_named())


def random_attack(dice: random.Random) -> bytes:
    """Some parts of attacks, put together and bent."""
    data = b""
    for _ in range(dice.randrange(1, 4)):
        part = dice.choice(list(NAMED.values()))(dice)
        if dice.random() < 0.3:
            bent = bytearray(part)
            for _ in range(dice.randrange(1, 20)):
                bent[dice.randrange(len(bent))] = dice.randrange(256)
            part = bytes(bent)
        if dice.random() < 0.2:
            part = part[: dice.randrange(len(part))]
        data += part[: 3 * MESSAGE]
    return data


@attrs.frozen
class Cost:
    """What an attack cost the gateway."""

    stall: float
    memory: int
    lines: list[str]


class Measured:
    """The gateway's process."""

    def __init__(self, *options: str) -> None:
        self._process = Popen(
            [sys.executable, "-m", "tests.support.measured_gateway", *options],
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self.port = int(self._read())

    def cost(self) -> Cost:
        """What it took since the last time."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Cost(**self._read())

    def end(self) -> None:
        """End it."""
        self._process.communicate()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the gateway ended with {self._process.wait()}")
        return json.loads(line)


class Client:
    """A client without manners; or one that pings, to see that it is answered."""

    def __init__(self, port: int, reads: bool = True) -> None:
        self._socket = open_socket(port)
        self._reads = reads
        self.received = 0
        """Bytes."""
        self.last = b""
        """The last of them."""
        self._is_answered = False

    def send(self, data: bytes) -> None:
        """Send it all, and a ping, until that is answered, or the gateway has had enough."""
        self._is_answered = False
        rest = memoryview(data + text(action="ping", id=END))
        until = time.monotonic() + PATIENCE
        self._socket.setblocking(False)
        try:
            while rest or (self._reads and not self._is_answered):
                wait = until - time.monotonic()
                if wait < 0:
                    raise AssertionError(f"no end of it in {PATIENCE} s; last: {self.last!r}")
                readable, writable, _ = select.select(
                    [self._socket] if self._reads else [],
                    [self._socket] if rest else [],
                    [],
                    wait if self._reads else 1.0,
                )
                if writable:
                    rest = rest[self._socket.send(rest[: 2**16]) :]
                if readable and not self._receive():
                    return
                if not readable and not writable and not self._reads:
                    # It is not served any more; or not closed, as it reads nothing.
                    return
        except OSError:
            pass  # Hung up on.

    def close(self) -> None:
        """Be gone."""
        self._socket.close()

    def _receive(self) -> bool:
        data = self._socket.recv(2**20)
        self.received += len(data)
        seen = self.last + data
        self._is_answered = self._is_answered or f'"id":"{END}"'.encode() in seen
        self.last = seen[-500:]
        return bool(data)


class HostileMessagesTests(SynchronousTestCase):
    """One client against all."""

    timeout = 600

    def setUp(self) -> None:
        """Run a gateway, and a client that is to notice nothing."""
        self.gateway = Measured("--allow-put=anyone")
        self.addCleanup(self.gateway.end)
        self.bystander = Client(self.gateway.port)
        self.addCleanup(self.bystander.close)
        self.bystander.send(b"")
        self.gateway.cost()

    def attacked(self, data: bytes, reads: bool = True) -> tuple[Cost, Client]:
        """Let a client send something, and go when nothing more comes of it."""
        client = Client(self.gateway.port, reads)
        client.send(data)
        sending = self.gateway.cost()
        client.close()
        self.bystander.send(b"")
        leaving = self.gateway.cost()
        cost = Cost(
            max(sending.stall, leaving.stall),
            max(sending.memory, leaving.memory),
            sending.lines + leaving.lines,
        )
        return cost, client

    def faults(self, data: bytes, reads: bool) -> list[str]:
        """What is wrong with the gateway's behaviour towards a client that sends this."""
        before = self.gateway.cost().memory
        cost, client = self.attacked(data, reads)
        found = []
        if cost.stall > STALL:
            found.append(f"stalled for {1000 * cost.stall:.0f} ms")
        if cost.memory - before > MEMORY:
            found.append(f"grew by {(cost.memory - before) >> 20} MiB")
        # Each put is to have its line, and a `list` tells what was asked for before.
        lines = [line for line in cost.lines if not line.startswith("put ")]
        if len(lines) > LINES:
            found.append(f"logged {len(lines)} lines, such as {lines[0]}")
        if client.received > ANSWERS * len(data) + MESSAGE and b'"list"' not in data:
            found.append(f"answered {len(data)} bytes by {client.received}")
        return found

    def assert_unharmed(self, attacks: dict[str, bytes]) -> None:
        """The gateway survives all attacks within its bounds."""
        before = self.gateway.cost().memory
        faults = {
            (label, reads): found
            for label, data in attacks.items()
            for reads in (True, False)
            if (found := self.faults(data, reads))
        }
        self.assertEqual(faults, {})
        self.assertLess(self.gateway.cost().memory - before, KEPT)

    def assert_all_unharmed(self, chosen: Callable[[str], bool]) -> None:
        """It survives the attacks of the list whose labels are chosen."""
        dice = random.Random(SEED)
        self.assert_unharmed(
            {label: attack(dice) for label, attack in NAMED.items() if chosen(label)}
        )

    def test_lists(self) -> None:
        """Lists of names, good and bad."""
        self.assert_all_unharmed(lambda label: label.startswith(("connect", "disconnect")))

    def test_puts(self) -> None:
        """Puts of values that are too many, too deep or too long."""
        self.assert_all_unharmed(lambda label: label.startswith("put"))

    def test_others(self) -> None:
        """Huge messages, many messages, frames that mean nothing, 20,000 PVs."""
        self.assert_all_unharmed(
            lambda label: not label.startswith(("connect", "disconnect", "put"))
        )

    def test_pipelined(self) -> None:
        """HTTP requests that do not wait for each other's answers."""
        for path in (b"/", b"/static/pycaserver.js", b"/nothing"):
            with connect(self.gateway.port) as client:
                # The gateway takes no more while its answers are not read.
                client.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    client.sendall(b"GET %b HTTP/1.1\r\n\r\n" % path * 10_000)
                self.assertLess(self.gateway.cost().stall, STALL, path)

    def test_random(self) -> None:
        """What comes of putting these together, cutting and bending them."""
        dice = random.Random(SEED)
        self.assert_unharmed(
            {f"number {number} of {SEED}": random_attack(dice) for number in range(ATTACKS)}
        )
