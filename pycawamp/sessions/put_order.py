"""The order in which a client's puts are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import CancelledError, Deferred, succeed


class PutOrder:
    """Sends puts to one PV in the order in which they arrived.

    Before a put is sent, the old value may have to be read for the put log. Without this class, a
    later put that needs no read would be sent first.
    """

    def __init__(self) -> None:
        self._last: dict[str, Deferred[None]] = {}
        """For each PV with unsent puts, fires when the last of them was sent."""

    @contextmanager
    def join(self, name: str) -> Iterator[Deferred[None]]:
        """Join the queue of a PV until the end of the block, in which the put is sent.

        The Deferred fires when earlier puts have been sent. If the block is cancelled because the
        client has disconnected, later puts are not sent either, because they will be cancelled too.
        """
        turn = self._last.get(name) or succeed(None)
        sent: Deferred[None] = Deferred()
        self._last[name] = sent
        is_cancelled = False
        try:
            yield turn
        except CancelledError:
            is_cancelled = True
            raise
        finally:
            if self._last.get(name) is sent:
                del self._last[name]
            if not is_cancelled:
                sent.callback(None)
