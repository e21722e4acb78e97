"""The delay line: one timer for all items with the same delay."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.delay import DelayLine


class DelayLineTests(SynchronousTestCase):
    """DelayLine on a clock that the test controls."""

    def setUp(self) -> None:
        """Make a line of 10 s that records due items."""
        self.clock = Clock()
        self.due: list[str] = []
        self.line: DelayLine[str] = DelayLine(self.clock, 10, self.due.append)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def test_due(self) -> None:
        """An item is due after its delay, not before, and only once."""
        self.line.put("a")
        self.advance(9.9)
        self.assertEqual(self.due, [])
        self.advance(0.1)
        self.assertEqual(self.due, ["a"])
        self.advance(100)
        self.assertEqual(self.due, ["a"])

    def test_order_and_own_time(self) -> None:
        """Each item waits its own full delay, and the first in is the first out."""
        for name in "abc":
            self.line.put(name)
            self.advance(2)
        self.assertEqual(self.due, [])
        self.advance(4)
        self.assertEqual(self.due, ["a"])
        self.advance(2)
        self.assertEqual(self.due, ["a", "b"])
        self.advance(2)
        self.assertEqual(self.due, ["a", "b", "c"])

    def test_one_timer(self) -> None:
        """Ten thousand items need one timer."""
        for number in range(10_000):
            self.line.put(str(number))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.advance(10)
        self.assertEqual(len(self.due), 10_000)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_put_when_due(self) -> None:
        """An item that is added while another becomes due waits for its own delay."""

        def due(left: int) -> None:
            if left:
                line.put(left - 1)

        line = DelayLine(self.clock, 1, due)
        line.put(3)
        for _ in range(4):
            self.assertEqual(len(self.clock.getDelayedCalls()), 1)
            self.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_put_when_due_while_others_wait(self) -> None:
        """An item that is added while another becomes due does not delay waiting ones."""
        due: list[tuple[str, float]] = []

        def again(name: str) -> None:
            due.append((name, self.clock.seconds()))
            line.put(name)

        line = DelayLine(self.clock, 10, again)
        line.put("a")
        self.advance(1)
        line.put("b")
        for _ in range(20):
            self.advance(1)
        self.assertEqual(due, [("a", 10), ("b", 11), ("a", 20), ("b", 21)])

    def test_due_fails(self) -> None:
        """An exception for one item does not affect the others."""

        def fail(name: str) -> None:
            if name == "a":
                raise ZeroDivisionError
            self.due.append(name)

        line = DelayLine(self.clock, 10, fail)
        line.put("a")
        line.put("b")
        self.assertRaises(ZeroDivisionError, self.advance, 10)
        self.advance(0)
        self.assertEqual(self.due, ["b"])

    def test_keep(self) -> None:
        """Removed items never become due; the others do, in order."""
        for item in "abcd":
            self.line.put(item)
        self.line.keep(lambda item: item in "bd")
        self.assertEqual(len(self.line), 2)
        self.advance(10)
        self.assertEqual(self.due, ["b", "d"])

    def test_clear(self) -> None:
        """A cleared line has no items and no timer, and can be used again."""
        self.line.put("a")
        self.line.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.line.put("b")
        self.advance(10)
        self.assertEqual(self.due, ["b"])
