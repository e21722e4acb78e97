"""Throttling of handshakes, so that many new clients do not delay existing ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime

PAUSE = 1.0
"""The pause after each call, as a multiple of its duration."""


class HandshakeThrottle:
    """Calls functions one after another, with a pause of the same duration after each.

    So they take at most half of the reactor's time. A single function is called immediately.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self._pause_end = float("-inf")

    def call(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call a function in turn; return a Deferred of its result."""
        if not self._waiting and self._clock.seconds() >= self._pause_end:
            return self._run(function)
        done: Deferred[Any] = Deferred()
        self._waiting.append((function, done))
        if len(self._waiting) == 1:
            self._pause()
        return done

    def _pause(self) -> None:
        self._clock.callLater(max(0.0, self._pause_end - self._clock.seconds()), self._go_on)

    def _go_on(self) -> None:
        function, done = self._waiting.popleft()
        self._run(function).chainDeferred(done)
        if self._waiting:
            self._pause()

    def _run(self, function: Callable[[], Any]) -> Deferred[Any]:
        started = self._clock.seconds()
        done = execute(function)
        now = self._clock.seconds()
        self._pause_end = now + PAUSE * (now - started)
        return done
