"""One PV of one client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pycawamp.fanout.lane import Lane
from pycawamp.wire import replies

if TYPE_CHECKING:
    from pycawamp.session import Session


@attrs.frozen(eq=False)
class Subscribed:
    """One PV of one client, since one request."""

    session: Session
    name: str
    lane: Lane

    def check_found(self) -> None:
        """Tell the client if its PV has not been found by now; the search goes on."""
        if self.lane.pv.connected is not None:
            self.session.allowance.searches.found(self.lane.pv.name)
        elif self.session.holds(self):
            self.session.send(replies.connection(self.name, False))
