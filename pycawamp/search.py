"""The wait of one client for a PV that has not been found yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pycawamp.fanout.lane import Lane
from pycawamp.wire import replies

if TYPE_CHECKING:
    from pycawamp.session import Session


@attrs.frozen(eq=False)
class Search:
    """One request's wait for a PV, until it is found or the client has been told."""

    session: Session
    lane: Lane

    def end(self) -> None:
        """Tell the client if its PV has not been found by now; the search goes on."""
        wanted = self.session.end_search(self)
        if self.lane.pv.connected is not None:
            self.session.allowance.searches.found(self.lane.pv.name)
        elif wanted:
            self.lane.tell(self.session.outbox, replies.connection(self.lane.name, False))
