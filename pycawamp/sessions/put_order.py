"""The order in which one client's puts are sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import CancelledError, Deferred, succeed


class PutOrder:
    """Sends puts to one PV in the order in which they arrived.

    Before a put is sent, the old value may have to be read for the put log. One that need not be
    read must not let a later put overtake.
    """

    def __init__(self) -> None:
        self._last: dict[str, Deferred[None]] = {}
        """For each PV with puts that were not sent: fires when the last of them was."""

    @contextmanager
    def join(self, name: str) -> Iterator[Deferred[None]]:
        """Join the queue of a PV until the end of the block, in which the put is sent.

        The Deferred fires when those that joined before have been sent. If the block is cancelled,
        the client has left: the next put is not sent, but will be cancelled too.
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
