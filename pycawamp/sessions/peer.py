"""Who is at the other end."""

from __future__ import annotations

import attrs


@attrs.frozen
class Peer:
    """Who is at the other end of a connection."""

    address: str = "?"
    """For people: host and port."""
    host: str = ""
    """The IP address, that behind a trusted proxy; "" for a UNIX socket."""
    host_name: str | None = None
    user: str | None = None
    """Who logged in; None if nobody did."""
