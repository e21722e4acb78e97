"""A recorder in place of a NATS client."""

from __future__ import annotations

from typing import Any

from pycawamp.bus.messages import RecordKind, scalars, sections


class Bus:
    """Takes the place of a NATS client, and records published messages."""

    is_congested = False
    max_payload = 2**20

    def __init__(self) -> None:
        self.bursts: dict[str, list[bytes]] = {}

    def publish(self, subject: str, *parts: bytes, reply: str = "") -> bool:
        """Record a message."""
        self.bursts.setdefault(subject, []).append(b"".join(parts))
        return True

    def received(self, subject: str) -> list[Any]:
        """Return the values and states that were sent to an edge."""
        found: list[Any] = []
        for message in self.bursts.get(subject, ()):
            for place, record in sections(message):
                if place is not None:
                    found += [int(scalar[-1]) for scalar in scalars(message, place)]
                elif record[1] == RecordKind.CONNECTION:
                    found.append(record[2])
        return found
