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
    """For people: host and port."""
    host: str = ""
    """The IP address, that behind a trusted proxy; "" for a UNIX socket."""
    host_name: str | None = None
    user: str | None = None
    """The user; None for an anonymous client."""
    expires: float | None = None
    """UNIX seconds at which the login ends; None: not by itself."""
    is_valid: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Whether the files still let the user log in."""
    agent: str = ""
    """The program, as it calls itself."""
    may_stay: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Whether a page of this origin may still connect: the rules may have changed."""
