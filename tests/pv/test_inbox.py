"""The inbox: from other threads to the reactor, in order and limited."""

from __future__ import annotations

from itertools import pairwise
from threading import Thread
from typing import Any

from twisted.internet import reactor, threads
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from pycawamp.pv.event_queue import InboxLimits
from pycawamp.pv.inbox import FEWEST, SHORT_PAUSE, Inbox
from pycawamp.pv.intake import Intake
from tests.support.compiled import NOT_COMPILED, SLICE, compiled
from tests.support.memory_gateway import SteppingReactor


class InboxTests(SynchronousTestCase):
    """Inbox on a clock that the test controls."""

    def intake(self, limits: InboxLimits) -> Intake | None:
        """Return the intake that replaces the queue in Python, if any."""
        return None

    def setUp(self) -> None:
        """Make an inbox that records handled events and the ends of slices."""
        self.clock = SteppingReactor()
        self.handled: list[Any] = []
        self.slices: list[float] = []
        self.sending = 0.0
        self.inbox = self.make()

    def make(self, **limits: Any) -> Inbox:
        """Return an inbox with some limits."""
        limited = InboxLimits(slice=SLICE, **limits)
        return Inbox(self.clock, self.end_slice, limited, self.intake(limited))

    def end_slice(self) -> None:
        """Record the end of a slice."""
        self.slices.append(self.clock.seconds())
        self.clock.pass_time(self.sending)

    def handler(self, name: str, takes: float = 0.0) -> Any:
        """Return a channel's handler, whose work takes some time."""

        def handle(news: Any) -> None:
            self.handled.append((name, news))
            self.clock.pass_time(takes)

        return handle

    def test_order(self) -> None:
        """Updates and other events are handled in order, whatever their channel."""
        a, b = self.handler("a"), self.handler("b")
        self.inbox.post(a, "up")
        for number in range(100):
            self.inbox.post_update(b if number % 3 else a, b"%d" % number)
        self.inbox.post(b, "down")
        self.clock.flush_cycle()
        numbers = [news for _, news in self.handled[1:-1]]
        self.assertEqual(numbers, [b"%d" % number for number in range(100)])
        self.assertEqual((self.handled[0], self.handled[-1]), (("a", "up"), ("b", "down")))

    def test_one_wake(self) -> None:
        """A burst wakes the reactor once, and the next burst once more."""
        for burst in (1, 2):
            for number in range(50):
                self.inbox.post_update(self.handler("a"), b"%d" % number)
            self.assertEqual(self.clock.wakes, burst)
            self.clock.flush_cycle()
        self.assertEqual(len(self.handled), 100)

    def test_slices(self) -> None:
        """No work is much longer than a slice, and each slice is followed by a flush."""
        work = self.handler("a", takes=SLICE / 100)
        for number in range(1000):
            self.inbox.post_update(work, b"%d" % number)
        self.clock.flush_cycle()
        ends = [0.0, *self.slices]
        stretches = [end - start for start, end in pairwise(ends)]
        self.assertGreater(len(stretches), 5)
        self.assertLess(max(stretches), 1.5 * SLICE)
        self.assertEqual([news for _, news in self.handled], [b"%d" % n for n in range(1000)])

    def test_large_updates(self) -> None:
        """The time is checked after each large update, and the order is kept."""
        work = self.handler("a", takes=SLICE)
        updates = [b"%d" % number * 10_000 for number in range(10)]
        for raw in updates:
            self.inbox.post_update(work, raw)
        self.clock.flush_cycle()
        self.assertEqual(len(self.slices), len(updates))
        self.assertEqual([news for _, news in self.handled], updates)

    def test_slow_updates(self) -> None:
        """Fewer updates may wait if each takes long, however few are handled at once."""
        work = self.handler("a", takes=SLICE / 2)
        for number in range(2000):
            self.inbox.post_update(work, b"%d" % number)
        self.clock.flush_cycle()
        self.assertEqual((len(self.handled), self.inbox.conflated), (2000, 0))
        for number in range(2000):
            self.inbox.post_update(work, b"%d" % number)
        self.assertEqual(self.inbox.conflated, 2000 - FEWEST - 1)

    def test_lone_updates(self) -> None:
        """A long time to send one update does not reduce the limit for a burst."""
        self.sending = SLICE / 5
        handler = self.handler("a")
        for _ in range(1000):
            self.inbox.post_update(handler, b"1")
            self.clock.flush_cycle()
            self.clock.advance(1)
        for _ in range(10 * FEWEST):
            self.inbox.post_update(handler, b"2")
        self.assertEqual(self.inbox.conflated, 0)

    def test_pause(self) -> None:
        """After sending, it pauses for the same time, so that the next burst accumulates."""
        self.sending = 0.006
        self.inbox.post_update(self.handler("a"), b"1")
        self.clock.flush_cycle()
        self.inbox.post_update(self.handler("a"), b"2")
        self.assertEqual(self.clock.wakes, 1)
        self.clock.advance(0.005)
        self.assertEqual(len(self.handled), 1)
        self.clock.advance(0.002)
        self.assertEqual(len(self.handled), 2)

    def test_no_pause_when_idle(self) -> None:
        """A lone update is sent in the reactor iteration in which it arrives."""
        for number in range(3):
            self.inbox.post_update(self.handler("a"), b"%d" % number)
            self.clock.flush_cycle()
            self.assertEqual(len(self.handled), number + 1)

    def test_gathers(self) -> None:
        """A steady flow of a few updates is collected; after a pause, no more."""
        handler = self.handler("a")

        def update(seconds: float = 0.0002) -> int:
            """Post one update, and return how many have been handled after a time."""
            self.clock.advance(seconds)
            self.inbox.post_update(handler, b"1")
            self.clock.flush_cycle()
            return len(self.handled)

        # The first of them comes after a while.
        self.assertEqual([update() for _ in range(6)], [1, 2, 3, 4, 4, 4])
        self.clock.advance(SHORT_PAUSE)
        self.assertEqual(len(self.handled), 6)
        self.assertEqual(self.clock.wakes, 4)
        self.clock.advance(SHORT_PAUSE)
        self.assertEqual([update(), update(1), update(1)], [7, 8, 9])

    def test_newest_wins(self) -> None:
        """Above the limit of events, only the newest update of each channel is kept, in order."""
        self.inbox = self.make(events=3)
        a, b, c = self.handler("a"), self.handler("b"), self.handler("c")
        for handler, raw in [(a, b"1"), (b, b"1"), (c, b"1"), (a, b"2"), (b, b"2")]:
            self.inbox.post_update(handler, raw)
        self.inbox.post_update(a, b"3")
        self.inbox.post_update(c, b"2")
        self.assertEqual(self.inbox.conflated, 1)
        self.clock.flush_cycle()
        expected = [("a", b"1"), ("b", b"1"), ("c", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"2")]
        self.assertEqual(self.handled, expected)

    def test_byte_bound(self) -> None:
        """The bytes that wait are limited too."""
        self.inbox = self.make(bytes=1000)
        a = self.handler("a")
        for number in range(100):
            self.inbox.post_update(a, bytes([number]) * 400)
        self.clock.flush_cycle()
        self.assertLess(len(self.handled), 6)
        self.assertEqual(self.inbox.conflated + len(self.handled), 100)
        self.assertEqual(self.handled[-1], ("a", bytes([99]) * 400))

    def test_news_never_dropped(self) -> None:
        """Connections and other events survive an overflow, in order with the updates."""
        self.inbox = self.make(events=1)
        a = self.handler("a")
        self.inbox.post_update(a, b"1")
        for number in range(5):
            self.inbox.post_update(a, b"before %d" % number)
            self.inbox.post(a, f"news {number}")
        self.inbox.post_update(a, b"last")
        self.clock.flush_cycle()
        self.assertEqual(
            [news for _, news in self.handled if isinstance(news, str)],
            [f"news {number}" for number in range(5)],
        )
        self.assertEqual(self.handled[-1], ("a", b"last"))

    def test_bound_is_lifted(self) -> None:
        """When an overflow has been handled, nothing is conflated any more."""
        self.inbox = self.make(events=10)
        handlers = [self.handler(str(number)) for number in range(5)]
        for _ in range(20):
            for handler in handlers:
                self.inbox.post_update(handler, b"x")
        self.clock.flush_cycle()
        conflated, done = self.inbox.conflated, len(self.handled)
        self.assertEqual(conflated + done, 100)
        for handler in handlers * 2:
            self.inbox.post_update(handler, b"y")
        self.clock.flush_cycle()
        self.assertEqual(self.inbox.conflated, conflated)
        self.assertEqual(len(self.handled), done + 10)

    def test_failing_handler(self) -> None:
        """A failing handler is logged, and no other update is lost."""

        def fail(news: Any) -> None:
            raise ZeroDivisionError(news)

        self.inbox.post_update(self.handler("a"), b"1")
        self.inbox.post_update(fail, b"2")
        self.inbox.post_update(self.handler("a"), b"3")
        self.clock.flush_cycle()
        self.assertEqual(self.handled, [("a", b"1"), ("a", b"3")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_close(self) -> None:
        """A closed inbox handles nothing more, and leaves no timer."""
        self.sending = 0.006
        self.inbox.post_update(self.handler("a"), b"1")
        self.clock.flush_cycle()
        self.inbox.post_update(self.handler("a"), b"2")
        self.inbox.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.inbox.post_update(self.handler("a"), b"3")
        self.clock.flush_cycle()
        self.assertEqual(len(self.handled), 1)


class CompiledInboxTests(InboxTests):
    """The same with the compiled intake."""

    skip = NOT_COMPILED

    def intake(self, limits: InboxLimits) -> Intake | None:
        """Return the compiled intake."""
        return compiled(limits)


class ThreadTests(TestCase):
    """Inbox with real threads and the real reactor."""

    def intake(self, limits: InboxLimits) -> Intake | None:
        """Return the intake that replaces the queue in Python, if any."""
        return None

    @inlineCallbacks
    def test_threads(self) -> Any:
        """With many threads that post at once, nothing is lost, and each thread's order is kept."""
        each, posters = 5000, 4
        handled: dict[int, list[int]] = {poster: [] for poster in range(posters)}
        done: Deferred[None] = Deferred()
        inbox = Inbox(reactor, after_slice=lambda: None, intake=self.intake(InboxLimits()))
        self.addCleanup(inbox.close)

        def handle(news: tuple[int, int]) -> None:
            poster, number = news
            handled[poster].append(number)
            if sum(map(len, handled.values())) == each * posters:
                done.callback(None)

        def post(poster: int) -> None:
            for number in range(each):
                inbox.post(handle, (poster, number))

        yield gatherResults([threads.deferToThread(post, poster) for poster in range(posters)])
        yield done
        self.assertEqual(list(handled.values()), [list(range(each))] * posters)

    @inlineCallbacks
    def test_overflow_under_load(self) -> Any:
        """A thread that posts faster than the reactor works loses no channel's last update."""
        channels, rounds = 50, 400
        latest: dict[int, int] = {}
        done: Deferred[None] = Deferred()
        limits = InboxLimits(events=100)
        inbox = Inbox(reactor, lambda: None, limits, self.intake(limits))
        self.addCleanup(inbox.close)
        handled = 0

        def handler(channel: int) -> Any:
            def handle(raw: bytes) -> None:
                nonlocal handled
                handled += 1
                self.assertGreater(int(raw), latest.get(channel, -1))
                latest[channel] = int(raw)
                if len(latest) == channels and set(latest.values()) == {rounds - 1}:
                    done.callback(None)

            return handle

        handlers = [handler(channel) for channel in range(channels)]

        def post() -> None:
            for number in range(rounds):
                for handle in handlers:
                    inbox.post_update(handle, b"%d" % number)

        thread = Thread(target=post)
        thread.start()
        yield done
        thread.join()
        self.assertEqual(handled + inbox.conflated, channels * rounds)


class CompiledThreadTests(ThreadTests):
    """The same with the compiled intake."""

    skip = NOT_COMPILED

    def intake(self, limits: InboxLimits) -> Intake | None:
        """Return the compiled intake."""
        return compiled(limits)
