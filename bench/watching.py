"""A client that counts which updates of counters it gets, and which are missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from bench.processes import ChildError
from bench.records import STEP
from pycawamp.client import Backoff, GatewayClient, Listener, Update

CHECK_S = 0.01  # seconds between two checks of a condition
PATIENCE_S = 120.0
CONFLATED = "pycaserver_conflated_updates_total"


class Watch(Listener):
    """Follows records of `bench.records`, each of which adds STEP at every update."""

    def __init__(self, reactor: Any, port: int, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.connected: set[str] = set()
        self.fresh: set[str] = set()
        """PVs that were updated since `mark`."""
        self.received = 0
        self.lost = 0
        """Values that are missing between two of one connection."""
        self.disconnections = 0
        """Number of times that a PV was reported as disconnected."""
        self.longest_pause = 0.0
        """Seconds between two updates of any PV, at most, since `mark`."""
        self._last_update: float | None = None
        self._values: dict[str, float] = {}
        self._reactor = reactor
        url = f"ws://127.0.0.1:{port}/monitor"
        self.client = GatewayClient(reactor, url, backoff=Backoff(first=0.1, longest=1.0))
        for name in self.names:
            self.client.subscribe(name, self, metadata=False)

    def mark(self) -> None:
        """Start to record updates and pauses again."""
        self.fresh = set()
        self.longest_pause, self._last_update = 0.0, None

    def connection(self, name: str, connected: bool) -> None:
        """Handle a connection or a disconnect."""
        self._values.pop(name, None)
        if connected:
            self.connected.add(name)
        else:
            self.connected.discard(name)
            self.disconnections += 1

    def update(self, name: str, update: Update) -> None:
        """Handle an update."""
        value, last = update.value, self._values.get(name)
        assert isinstance(value, float)
        self._values[name] = value
        self.received += 1
        self.fresh.add(name)
        if last is not None:
            self.lost += max(0, round((value - last) / STEP) - 1)
        now = time.monotonic()
        if self._last_update is not None:
            self.longest_pause = max(self.longest_pause, now - self._last_update)
        self._last_update = now

    async def until(self, holds: Callable[[], bool], what: str) -> float:
        """Wait for a condition; return the seconds it took."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > PATIENCE_S:
                raise ChildError(f"not within {PATIENCE_S:g} s: {what}")
            await self.rest(CHECK_S)
        return time.monotonic() - started

    async def until_all_fresh(self) -> float:
        """Wait until each PV is connected and was updated since `mark`; return the seconds."""
        count = len(self.names)
        return await self.until(
            lambda: len(self.fresh) == len(self.connected) == count, "all PVs are updated"
        )

    async def rest(self, seconds: float) -> None:
        """Wait for some time."""
        await deferLater(self._reactor, seconds)

    def close(self) -> Deferred[None]:
        """Close the connection; fires when it is closed."""
        return self.client.close()


async def conflated(port: int) -> int:
    """Return the number of updates that the gateway has replaced by newer ones."""
    found = await metrics(port)
    return int(sum(value for name, value in found.items() if name[0] == CONFLATED))


async def metrics(port: int) -> dict[tuple[str, ...], float]:
    """Return the gateway's metrics, by name and labels."""
    text = await deferToThread(_read, f"http://127.0.0.1:{port}/metrics")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _read(url: str) -> str:
    with urlopen(url, timeout=30) as reply:
        content: bytes = reply.read()
    return content.decode()
