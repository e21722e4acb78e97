"""Limits of clients."""

from __future__ import annotations

import attrs

from pycawamp.pv.budget import DEFAULT_LIMIT

BURST = 20.0
"""Seconds of a rate that may be used at once: a page opens with a request for each PV."""


@attrs.frozen
class Limits:
    """Limits of clients; each is the largest value that is allowed."""

    clients: int = 5000
    """Connections in all."""
    clients_per_address: int = 1000
    pvs: int = 20_000
    """Subscriptions of one client."""
    names: int = 20_000
    """Names in the list of one request."""
    channels: int = 100_000
    """Open channels in all, those that linger included."""
    unresolved: int = 10_000
    """Names that one client has searched for at once."""
    unresolved_per_address: int = 20_000
    unresolved_in_all: int = 50_000
    spellings: int = 50
    """Names with modifiers of one record, for one client."""
    spellings_per_address: int = 100
    spellings_in_all: int = 200
    request_rate: float = 1000.0
    """Requests per second of one client; `BURST` seconds of them at once."""
    memory: int = DEFAULT_LIMIT
    """Bytes, in all, of what waits for clients and of the large arrays that are kept."""
    put_rate: float = 50.0
    """Puts per second of one client; `BURST` seconds of them at once."""
