"""The hub: one channel per name, shared, with the current state for new subscribers."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink, ISubscriber, PVState
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.pv import PV
from pycawamp.pv.values import FieldType, Metadata
from tests.support.memory_gateway import LINGER, Listener, SinkRecorder, SteppingReactor


def _fail(*_: object) -> None:
    raise ZeroDivisionError


class HubTests(SynchronousTestCase):
    """PVHub over in-memory PVs."""

    def setUp(self) -> None:
        """Make a hub."""
        self.clock = SteppingReactor()
        self.backend = MemoryBackend()
        self.hub = PVHub(self.clock, self.backend, LINGER)
        self.hub.startService()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    def test_interfaces(self) -> None:
        """Both sides of each interface provide it."""
        verifyObject(ISink, PV("X", lambda _: None))
        verifyObject(ISink, SinkRecorder())
        verifyObject(ISubscriber, Listener())
        verifyObject(IBackend, self.backend)
        verifyObject(IHandle, self.backend.open("X", SinkRecorder()))
        verifyObject(IBackend, CABackend(reactor, Inbox(reactor, lambda: None)))

    def test_shares_channel(self) -> None:
        """All subscribers to a name share one channel, and each gets every update."""
        self.backend.add("X", 1.0)
        listeners = [Listener() for _ in range(5)]
        for listener in listeners:
            self.hub.subscribe("X", listener)
        self.assertEqual(len(self.backend.handles), 1)
        self.backend.set("X", 2.0)
        received = [("connection", "X", True), ("reading", "X", 1.0), ("reading", "X", 2.0)]
        for listener in listeners:
            self.assertEqual(listener.take(), received)

    def test_one_fails(self) -> None:
        """A failing subscriber is logged, and the others are called nevertheless."""
        self.backend.add("X", 1.0)
        before, failing, behind = Listener(), Listener(), Listener()
        for listener in (before, failing, behind):
            self.hub.subscribe("X", listener)
            listener.take()
        for method in ("metadata", "connection", "reading"):
            setattr(failing, method, _fail)
        self.backend.remove("X")
        self.backend.add("X", 2.0)
        received = [("connection", "X", False), ("connection", "X", True), ("reading", "X", 2.0)]
        self.assertEqual((before.take(), behind.take()), (received, received))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_newcomer_fails(self) -> None:
        """A subscriber that fails at once leaves nothing behind."""
        self.backend.add("X", 1.0)
        failing = Listener()
        failing.reading = _fail  # type: ignore[assignment,method-assign]
        self.assertRaises(ZeroDivisionError, self.hub.subscribe, "X", failing)
        self.advance(LINGER)
        self.assertEqual(len(self.hub), 0)

    def test_snapshot(self) -> None:
        """A new subscriber gets metadata, connection and the newest value; others get nothing."""
        metadata = Metadata(FieldType.DOUBLE, 1, units="mm")
        self.backend.add("X", 1.0, metadata)
        first, newcomer = Listener(), Listener()
        self.hub.subscribe("X", first)
        self.backend.set("X", 2.0)
        first.take()
        self.hub.subscribe("X", newcomer)
        expected = [("metadata", "X", metadata), ("connection", "X", True), ("reading", "X", 2.0)]
        self.assertEqual(newcomer.received, expected)
        self.assertEqual(first.received, [])

    def test_not_found(self) -> None:
        """Nothing is reported about a PV that does not exist until it appears."""
        listener = Listener()
        subscription = self.hub.subscribe("X", listener)
        self.assertIs(subscription.pv.connected, None)
        self.assertEqual(listener.received, [])
        self.backend.add("X", "text")
        self.assertEqual(listener.take(), [("connection", "X", True), ("reading", "X", "text")])

    def test_lost(self) -> None:
        """A new subscriber to a lost PV gets that it is lost, and no old value."""
        self.backend.add("X", 1.0)
        self.hub.subscribe("X", Listener())
        self.backend.remove("X")
        newcomer = Listener()
        self.hub.subscribe("X", newcomer)
        self.assertEqual(newcomer.take(), [("connection", "X", False)])

    def test_close(self) -> None:
        """A closed subscription gets nothing, can be closed again, and does not affect others."""
        self.backend.add("X", 1.0)
        leaver, stayer = Listener(), Listener()
        subscription = self.hub.subscribe("X", leaver)
        self.hub.subscribe("X", stayer)
        subscription.close()
        subscription.close()
        leaver.take()
        self.backend.set("X", 2.0)
        self.assertEqual(leaver.take(), [])
        self.assertEqual(stayer.take()[-1], ("reading", "X", 2.0))

    def test_leaving_while_called(self) -> None:
        """A subscriber may leave, or add another, while it is called."""
        self.backend.add("X", 1.0)
        hub = self.hub

        class Leaver(Listener):
            def reading(self, pv: PVState, reading: object) -> None:
                if subscriptions:
                    subscriptions.pop().close()
                    hub.subscribe("X", successor)

        subscriptions = [hub.subscribe("X", Listener())]
        successor, stayer = Listener(), Listener()
        subscriptions[0].close()
        subscriptions = []
        leaver = Leaver()
        subscriptions.append(hub.subscribe("X", leaver))
        hub.subscribe("X", stayer)
        self.backend.set("X", 2.0)
        self.backend.set("X", 3.0)
        self.assertEqual([value for *_, value in stayer.take()], [True, 1.0, 2.0, 3.0])
        self.assertEqual([value for *_, value in successor.take()][-1], 3.0)

    def test_linger(self) -> None:
        """After the last one left, the channel stays open for the linger time, then it closes."""
        subscription = self.hub.subscribe("X", Listener())
        subscription.close()
        self.advance(LINGER - 0.1)
        self.assertEqual(self.hub.names, ["X"])
        self.advance(0.2)
        self.assertEqual((self.hub.names, self.backend.handles), ([], []))

    def test_linger_starts_anew(self) -> None:
        """A subscriber within the linger time finds the channel open; it then starts again."""
        subscription = self.hub.subscribe("X", Listener())
        (handle,) = self.backend.handles
        for _ in range(3):
            subscription.close()
            self.advance(LINGER - 1)
            subscription = self.hub.subscribe("X", Listener())
        self.assertEqual(self.backend.handles, [handle])
        self.advance(2 * LINGER)
        self.assertEqual(self.backend.handles, [handle])
        subscription.close()
        self.advance(LINGER - 1)
        self.assertEqual(self.backend.handles, [handle])
        self.advance(1)
        self.assertEqual(self.backend.handles, [])

    def test_reopened_after_linger(self) -> None:
        """After the linger time, a name is searched for again."""
        self.backend.add("X", 1.0)
        self.hub.subscribe("X", Listener()).close()
        self.advance(LINGER)
        listener = Listener()
        self.hub.subscribe("X", listener)
        self.assertEqual(listener.take(), [("connection", "X", True), ("reading", "X", 1.0)])

    def test_stop(self) -> None:
        """A stopped hub has closed its channels, also the lingering ones, and left no timer."""
        self.hub.subscribe("X", Listener())
        self.hub.subscribe("Y", Listener()).close()
        self.successResultOf(self.hub.stopService())
        self.assertEqual((self.hub.names, self.backend.handles), ([], []))
        self.assertEqual(self.clock.getDelayedCalls(), [])
