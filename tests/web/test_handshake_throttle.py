"""Handshakes of many new clients, one at a time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.handshake_throttle import PAUSE, HandshakeThrottle


class ThrottleTests(SynchronousTestCase):
    """Functions that take some time."""

    def setUp(self) -> None:
        """Nobody waits."""
        self.clock = Clock()
        self.throttle = HandshakeThrottle(self.clock)
        self.called: list[str] = []

    def job(self, name: str, seconds: float = 1.0) -> Callable[[], str]:
        """Return a function that takes this time."""

        def work() -> str:
            self.called.append(name)
            self.clock.rightNow += seconds
            return name

        return work

    def test_single(self) -> None:
        """A single one is called at once; so is the next, after the pause."""
        self.assertEqual(self.successResultOf(self.throttle.call(self.job("a"))), "a")
        self.clock.advance(PAUSE)
        self.assertEqual(self.successResultOf(self.throttle.call(self.job("b"))), "b")
        self.clock.advance(PAUSE)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_crowd(self) -> None:
        """Many are called in turn, each after a pause of the duration of the last one."""
        calls = [self.throttle.call(self.job(name, 0.5)) for name in "abc"]
        self.assertEqual(self.called, ["a"])
        self.clock.advance(PAUSE / 2 - 0.01)
        self.assertEqual(self.called, ["a"])
        self.clock.advance(0.01)
        self.assertEqual(self.called, ["a", "b"])
        self.clock.advance(PAUSE / 2)
        self.assertEqual([self.successResultOf(call) for call in calls], ["a", "b", "c"])

    def test_mistake(self) -> None:
        """An exception is passed on; the next functions are called."""

        def fail() -> None:
            raise ValueError("a mistake")

        first, second = self.throttle.call(fail), self.throttle.call(self.job("b"))
        self.failureResultOf(first, ValueError)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(second), "b")
