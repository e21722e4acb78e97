"""The client at the other end of a connection."""

from __future__ import annotations

from collections.abc import Callable

import attrs


def _always() -> bool:
    return True


@attrs.frozen
class Peer:
    """The client at the other end of a connection, or of an HTTP request."""

    address: str = "?"
    """Host and port, for logs."""
    host: str = ""
    """The IP address, behind a trusted proxy that of its client; "" for a UNIX socket."""
    host_name: str | None = None
    user: str | None = None
    """The user; None for an anonymous client."""
    expires: float | None = None
    """UNIX seconds at which the login expires; None: never."""
    is_valid: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Returns whether the user may still log in according to the files."""
    agent: str = ""
    """The User-Agent header."""
    may_stay: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Returns whether pages of this origin may still connect: the rules may have changed."""
