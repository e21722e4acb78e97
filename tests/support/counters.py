"""Counters, and the updates of them that a page has received."""

from __future__ import annotations

from itertools import pairwise

from pycawamp.testing import WebSocketTestClient
from tests.support.bus_case import reactor

PVS = 12
RECORDS = "".join(
    f'record(calc, "$(P)N{number}") {{ field(SCAN, ".1 second") field(CALC, "VAL+1") }}\n'
    for number in range(PVS)
)


class Watch:
    """The updates of counters that a page has received since a time."""

    def __init__(self, client: WebSocketTestClient) -> None:
        self.client = client
        self.start_again()

    def start_again(self) -> None:
        """Count from now on; earlier values are the starting points."""
        self.first = len(self.client.messages)
        self.since = reactor.seconds()

    @property
    def values(self) -> dict[str, list[tuple[float, float]]]:
        """The times and values of each PV, including the last one before."""
        found: dict[str, list[tuple[float, float]]] = {}
        for index, message in enumerate(self.client.messages):
            if message["msg_type"] == "monitor":
                seen = found.setdefault(message["pvname"], [])
                if index < self.first:
                    seen.clear()
                seen.append((self.client.arrivals[index], message["value"]))
        return found

    def all_values(self, name: str) -> list[float]:
        """Return all values of a PV since the page was opened."""
        return [
            message["value"]
            for message in self.client.messages
            if message["msg_type"] == "monitor" and message["pvname"] == name
        ]

    @property
    def is_complete(self) -> bool:
        """Whether all PVs have a value that is newer than the start."""
        values = self.values
        return len(values) == PVS and all(len(seen) > 3 for seen in values.values())

    @property
    def longest_silence(self) -> float:
        """Longest time between two values of a PV, or since the start, in seconds."""
        silences = [0.0]
        for seen in self.values.values():
            times = [max(at, self.since) for at, _ in seen]
            silences += [later - earlier for earlier, later in pairwise(times)]
        return max(silences)

    @property
    def max_lost(self) -> float:
        """Largest number of missing values of one PV."""
        return max(
            sum(max(0.0, later - earlier - 1) for (_, earlier), (_, later) in pairwise(seen))
            for seen in self.values.values()
        )

    @property
    def repeated(self) -> list[tuple[str, float, float]]:
        """Values that arrived twice, or after a later one."""
        return [
            (name, earlier, later)
            for name, seen in self.values.items()
            for (_, earlier), (_, later) in pairwise(seen)
            if later <= earlier
        ]

    @property
    def lost_connections(self) -> int:
        """Number of times that a PV was reported as disconnected."""
        return sum(
            message["msg_type"] == "connection" and not message["conn"]
            for message in self.client.messages[self.first :]
        )
