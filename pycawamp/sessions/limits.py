"""Limits of clients."""

from __future__ import annotations

import attrs

from pycawamp.pv.budget import DEFAULT_LIMIT

BURST = 20.0
"""Seconds' worth of a rate that is allowed at once: a page opens with one request per PV."""


@attrs.frozen
class Limits:
    """Limits of clients; each is the maximum value allowed."""

    clients: int = 5000
    """Connected clients in total."""
    clients_per_address: int = 1000
    pvs: int = 20_000
    """Subscriptions per client."""
    names: int = 20_000
    """Names in the list of a request."""
    channels: int = 100_000
    """Open channels in total, including those without subscribers."""
    unresolved: int = 10_000
    """Names per client that no IOC has answered for."""
    unresolved_per_address: int = 20_000
    unresolved_in_all: int = 50_000
    spellings: int = 50
    """Names with modifiers per record and client."""
    spellings_per_address: int = 100
    spellings_in_all: int = 200
    request_rate: float = 1000.0
    """Requests per second and client, on average."""
    memory: int = DEFAULT_LIMIT
    """Bytes for unsent data and large arrays, in total."""
    put_rate: float = 50.0
    """Puts per second and client, on average."""
