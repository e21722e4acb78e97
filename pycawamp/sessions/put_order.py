"""The order in which a client's puts are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet.defer import CancelledError, Deferred, succeed


class PutOrder:
    """Sends puts to one PV in the order in which they arrived.

    Before a put is sent, the old value may have to be read for the put log. Without this class, a
    later put that needs no read would be sent first.

    Args:
        soon: Calls a function in the next iteration of the reactor.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        self._soon = soon
        self._last: dict[str, Deferred[None]] = {}
        """For each PV with unsent puts, fires when the last of them was sent."""
        self._sent: deque[Deferred[None]] = deque()
        """Those that others wait for, and that fire in the next iteration."""

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
            elif not is_cancelled:
                self._continue_after(sent)

    def _continue_after(self, sent: Deferred[None]) -> None:
        """Send the puts that wait, one after the other: each within the one before is too deep."""
        self._sent.append(sent)
        if len(self._sent) == 1:
            self._soon(self._fire)

    def _fire(self) -> None:
        while self._sent:
            self._sent[0].callback(None)
            self._sent.popleft()
