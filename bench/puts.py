"""Measure the time of puts through some gateways: one after the other, with each in turn.

Usage: `python -m bench.puts NUMBER PV PORT...`; prints milliseconds as JSON, by port.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from pycawamp.client.client import GatewayClient

WARM_UP = 50
"""Puts at each gateway that are not counted."""


async def measure(reactor: Any, number: int, pv: str, ports: list[int]) -> None:
    """Write values, and wait for each until the record has been processed."""
    clients = [GatewayClient(reactor, f"ws://127.0.0.1:{port}/monitor") for port in ports]
    taken: dict[int, list[float]] = {port: [] for port in ports}
    for value in range(number + WARM_UP):
        for port, client in zip(ports, clients, strict=True):
            started = time.perf_counter()
            await client.put(pv, value)
            taken[port].append(1e3 * (time.perf_counter() - started))
    for client in clients:
        await client.close()
    print(json.dumps({port: summary(found[WARM_UP:]) for port, found in taken.items()}))


def summary(found: list[float]) -> dict[str, float]:
    """Return the median and the 99th percentile."""
    ordered = sorted(found)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100]}


def main(reactor: Any, number: str, pv: str, *ports: str) -> Deferred[None]:
    """Run it with the arguments of the command line."""
    work: Coroutine[Any, Any, None] = measure(reactor, int(number), pv, list(map(int, ports)))
    return Deferred.fromCoroutine(work)


if __name__ == "__main__":
    react(main, sys.argv[1:])
