"""Quotas of HTTP clients, shared by all requests of a user and address."""

from __future__ import annotations

from pycawamp.access.hosts import network_key
from pycawamp.sessions.bucket_table import BucketTable
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.registry import Sessions

MAX_CLIENTS = 10_000
"""Maximum number of quotas."""


class RequestQuotas:
    """The quota of each user and address, like that of a WebSocket connection."""

    def __init__(self, sessions: Sessions) -> None:
        self._quotas: BucketTable[tuple[str, str | None], Quota]
        self._quotas = BucketTable(sessions.quota, MAX_CLIENTS)

    def of(self, client: Peer) -> Quota:
        """Return the quota of a client."""
        return self._quotas.of((network_key(client.host), client.user))
