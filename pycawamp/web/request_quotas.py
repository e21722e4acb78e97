"""What HTTP clients may still take: each address has one quota, however many requests it sends."""

from __future__ import annotations

from pycawamp.access.hosts import network_key
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.registry import Sessions

MOST_CLIENTS = 10_000
"""Quotas that are kept."""


class RequestQuotas:
    """The quota of each user and address, as a WebSocket connection has one."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._quotas: dict[tuple[str, str | None], Quota] = {}

    def of(self, client: Peer) -> Quota:
        """Return what a client may still take."""
        key = network_key(client.host), client.user
        quota = self._quotas.get(key)
        if quota is None:
            self._make_room()
            quota = self._quotas[key] = self._sessions.quota()
        return quota

    def _make_room(self) -> None:
        if len(self._quotas) < MOST_CLIENTS:
            return
        rested = [key for key, quota in self._quotas.items() if quota.is_full]
        # If nobody has rested, the oldest goes.
        for key in rested or [next(iter(self._quotas))]:
            del self._quotas[key]
