"""Messages that could harm a gateway: a list, and random combinations of its parts."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from tests.support.measured_gateway import MANY
from tests.support.websocket_frames import BINARY, PING, PONG, client_frame

MESSAGE = 2**20
"""Bytes of the largest message that is allowed."""

Attack: TypeAlias = Callable[[random.Random], bytes]


def text(**keys: Any) -> bytes:
    """A request."""
    return client_frame(json.dumps(keys, separators=(",", ":")).encode())


def filled(before: str, unit: str, after: str, size: int = MESSAGE) -> bytes:
    """Return a message of a size, most of which is a list of equal elements."""
    number = (size - len(before) - len(after)) // (len(unit) + 1)
    return client_frame((before + ",".join([unit] * number) + after).encode())


def names(first: int, last: int, prefix: str = "n") -> list[str]:
    """Names of PVs."""
    return [f"{prefix}{number}" for number in range(first, last)]


def connected(number: int = MANY) -> bytes:
    """Return requests that connect to many PVs."""
    return b"".join(
        text(action="connect", pvs=names(at, min(at + 5000, number)))
        for at in range(0, number, 5000)
    )


def many_keys(_dice: random.Random) -> bytes:
    """Return a ping with as many keys as fit."""
    keys = ",".join(f'"k{number}":{number}' for number in range(60_000))
    return client_frame(f'{{"action":"ping",{keys}}}'.encode())


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
HUGE = {
    "an id of a megabyte": client_frame(b'{"action":"ping","id":"%b"}' % (b"x" * (MESSAGE - 99))),
    "deep values": b"".join(
        client_frame(b'{"action":"put","pv":"X","value":%b%b}' % (b"[" * 1000, b"]" * 1000))
        for _ in range(100)
    ),
    "an id of many digits": client_frame(b'{"action":"ping","id":%b}' % (b"9" * (MESSAGE - 99))),
    "an action of a megabyte": client_frame(b'{"action":"%b"}' % (b"x" * (MESSAGE - 99))),
    "an option of a megabyte": client_frame(
        b'{"action":"configure","arrays":"%b"}' % (b"x" * (MESSAGE - 99))
    ),
    "an unknown option": client_frame(b'{"action":"configure","%b":1}' % (b"x" * (MESSAGE - 99))),
    "a name of a megabyte": client_frame(b'{"action":"get","pv":"%b"}' % (b"x" * (MESSAGE - 99))),
    "escapes": client_frame(b'{"action":"get","pv":"%b"}' % (rb"\u00e4" * ((MESSAGE - 99) // 6))),
    "a bare megabyte": client_frame(b"x" * MESSAGE),
    "digits": client_frame(b"1" * MESSAGE),
    "blanks": client_frame(b"[" + b" " * (MESSAGE - 1)),
    "open brackets": client_frame(b"[" * MESSAGE),
    "open braces": client_frame(b'{"":' * (MESSAGE // 4)),
    "a megabyte of binary": client_frame(bytes(MESSAGE), BINARY),
    "more than a megabyte": client_frame(bytes(MESSAGE + 1)),
    "no UTF-8 at the end": client_frame(b"x" * (MESSAGE - 1) + b"\xff"),
}


def _single() -> Iterator[tuple[str, Attack]]:
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


def _repeated() -> Iterator[tuple[str, Attack]]:
    yield (
        "10,000 PVs, connected and left",
        lambda _: connected(10_000) + text(action="disconnect", pvs=names(0, 10_000)),
    )
    yield (
        "12,000 PVs that are not there",
        lambda _: text(action="connect", pvs=names(0, 12_000, "nowhere")),
    )
    yield "lists of 20,000 PVs", lambda _: connected() + text(action="list") * 300
    yield "100,000 names", lambda _: text(action="connect", pvs=names(0, 100_000))
    yield "pings", lambda _: client_frame(b"", PING) * 10_000
    yield "requests for pongs", lambda _: text(action="ping") * 10_000
    yield "pongs", lambda _: client_frame(b"x" * 12, PONG) * 10_000
    yield "empty messages", lambda _: client_frame(b"") * 3_000
    # More fragments than the gateway reads at once.
    yield "empty fragments", lambda _: client_frame(b"", 1) + client_frame(b"", 0) * 10_000
    yield "fragments of a byte", lambda _: client_frame(b"x", 1) + client_frame(b"x", 0) * 10_000
    yield (
        "fragments of two bytes",
        lambda _: client_frame(b"xy", 1) + client_frame(b"xy", 0) * 10_000,
    )
    yield "configurations", lambda _: text(action="configure", batch=True) * 5_000
    yield "bad frames", lambda _: client_frame(b"", 0x83) * 10_000
    yield "gets", lambda _: text(action="get", pv="X", id=1) * 4_000
    yield "bare names", lambda _: client_frame(b"X") * 4_000
    yield (
        "rates",
        lambda _: b"".join(
            text(action="connect", pv="X", max_rate=1 + number / 100) for number in range(2000)
        ),
    )


SINGLE = dict(_single())
"""One message each."""
REPEATED = dict(_repeated())
"""Many messages each, or frames without meaning."""
ANSWERED = {
    "lists of 20,000 PVs",
    "pings",
    "requests for pongs",
    "empty messages",
    "configurations",
    "gets",
    "bare names",
    "rates",
}
"""Those with long replies, which are queued in the gateway for clients that do not read."""


def random_attack(dice: random.Random) -> bytes:
    """Return a combination of parts of attacks, with random changes."""
    data = b""
    for _ in range(dice.randrange(1, 4)):
        part = dice.choice(list((SINGLE | REPEATED).values()))(dice)
        if dice.random() < 0.3:
            bent = bytearray(part)
            for _ in range(dice.randrange(1, 20)):
                bent[dice.randrange(len(bent))] = dice.randrange(256)
            part = bytes(bent)
        if dice.random() < 0.2:
            part = part[: dice.randrange(len(part))]
        data += part[: 3 * MESSAGE]
    return data
