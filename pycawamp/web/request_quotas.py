"""Quotas of HTTP clients: one for each address, however many requests it sends."""

from __future__ import annotations

from pycawamp.access.hosts import network_key
from pycawamp.sessions.bucket_table import BucketTable
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.registry import Sessions

MOST_CLIENTS = 10_000
"""Quotas that are kept."""


class RequestQuotas:
    """The quota of each user and address, as a WebSocket connection has one."""

    def __init__(self, sessions: Sessions) -> None:
        self._quotas: BucketTable[tuple[str, str | None], Quota]
        self._quotas = BucketTable(sessions.quota, MOST_CLIENTS)

    def of(self, client: Peer) -> Quota:
        """Return what a client may still take."""
        return self._quotas.of((network_key(client.host), client.user))
