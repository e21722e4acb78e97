"""Who is at the other end."""

from __future__ import annotations

from collections.abc import Callable

import attrs


def _always() -> bool:
    return True


@attrs.frozen
class Peer:
    """Who is at the other end of a connection, or sent a request."""

    address: str = "?"
    """For people: host and port."""
    host: str = ""
    """The IP address, that behind a trusted proxy; "" for a UNIX socket."""
    host_name: str | None = None
    user: str | None = None
    """Who logged in; None if nobody did."""
    expires: float | None = None
    """UNIX seconds at which the login ends; None: not by itself."""
    is_valid: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Whether the files still let the user log in."""
    agent: str = ""
    """The program, as it calls itself."""
    may_stay: Callable[[], bool] = attrs.field(default=_always, repr=False, eq=False)
    """Whether a page of this origin could come in now, since rules change."""
