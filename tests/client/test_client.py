"""The client at a real gateway, over TCP."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twisted.internet.defer import gatherResults, inlineCallbacks
from zope.interface.verify import verifyObject

from pycawamp.client import IListener, Listener, Metadata, Subscription
from pycawamp.pv.values import FieldType
from pycawamp.pv.values import Metadata as ServedMetadata
from tests.support.client_case import ClientTestCase, Recorder, Secretive


class SubscribeTests(ClientTestCase):
    """GatewayClient.subscribe."""

    @inlineCallbacks
    def test_present_state(self) -> Any:
        """A listener gets connection, metadata and value, and then each update in order."""
        yield self.start()
        recorder = self.listen(self.client(), "X")
        yield recorder.until_value(1.5)
        self.assertEqual(recorder.kinds, ["connection", "metadata", "update"])
        numbers = [float(number) for number in range(2, 500)]
        for number in numbers:
            self.backend.set("X", number)
        yield recorder.until_value(numbers[-1])
        self.assertEqual(recorder.values, [1.5, *numbers])

    @inlineCallbacks
    def test_update(self) -> Any:
        """An update has value, count, time stamp and alarm, and the text if requested."""
        yield self.start()
        recorder = self.listen(self.client(), "X", text=True)
        yield recorder.until("update")
        reading = self.backend.set("X", 99.0, severity=2, status=3)
        update = yield recorder.until("update")
        self.assertEqual((update.name, update.value, update.count), ("X", 99.0, 1))
        self.assertAlmostEqual(update.timestamp, reading.timestamp, places=6)
        self.assertEqual((update.severity, update.status), ("MAJOR", "HIHI"))
        self.assertEqual(update.text, "99.00")

    @inlineCallbacks
    def test_metadata(self) -> Any:
        """Metadata is sent, and sent again when it changes, if requested."""
        yield self.start()
        client = self.client()
        recorder = self.listen(client, "X")
        plain = self.listen(client, "X", metadata=False)
        first = yield recorder.until("metadata")
        self.assertEqual(first, Metadata(FieldType.DOUBLE, 1, "ioc:5064", precision=2))
        limits = (-1.0, 1.0)
        changed = ServedMetadata(FieldType.DOUBLE, 1, units="mm", display_limits=limits)
        self.backend.describe("X", changed)
        second = yield recorder.until("metadata")
        self.assertEqual((second.units, second.display_limits), ("mm", limits))
        self.assertNotIn("metadata", plain.kinds)

    @inlineCallbacks
    def test_arrays(self) -> Any:
        """Arrays are the same in all three encodings: read-only numpy arrays."""
        yield self.start()
        for arrays in ("json", "base64", "binary"):
            client = self.client(arrays=arrays)
            update = yield self.listen(client, "A").until("update")
            np.testing.assert_array_equal(update.value, [1.0, math.nan, 3.0])
            self.assertEqual((update.value.dtype, update.count), (np.float64, 3))
            self.assertRaises(ValueError, update.value.__setitem__, 0, 5.0)
            got = yield client.get("A")
            np.testing.assert_array_equal(got.value, update.value)
            strings = yield client.get("S")
            self.assertEqual(strings.value, ("one", "two"))

    @inlineCallbacks
    def test_nan(self) -> Any:
        """A NaN is NaN."""
        yield self.start()
        self.backend.set("X", math.nan)
        update = yield self.client().get("X")
        self.assertTrue(math.isnan(update.value))

    @inlineCallbacks
    def test_close(self) -> Any:
        """A closed subscription gets nothing more, and that of the gateway ends."""
        yield self.start()
        client, recorder = self.client(), Recorder()
        subscription = client.subscribe("X", recorder)
        other = self.listen(client, "X")
        yield recorder.until("update")
        subscription.close()
        subscription.close()
        self.backend.set("X", 2.0)
        yield other.until_value(2.0)
        self.assertEqual(recorder.values, [1.5])

    @inlineCallbacks
    def test_close_in_call(self) -> Any:
        """A listener may close its subscription while it is called."""
        yield self.start()
        client = self.client()
        subscriptions: list[Subscription] = []

        class Once(Recorder):
            def update(self, name: str, update: Any) -> None:
                """Receive one update, and close."""
                super().update(name, update)
                subscriptions.pop().close()

        once = Once()
        subscriptions.append(client.subscribe("X", once))
        yield once.until("update")
        self.backend.set("X", 2.0)
        yield self.listen(client, "X").until_value(2.0)
        self.assertEqual(once.values, [1.5])

    @inlineCallbacks
    def test_many(self) -> Any:
        """Thousands of PVs are requested in few messages, and all are received."""
        yield self.start()
        names = [f"P{number}" for number in range(2500)]
        for number, name in enumerate(names):
            self.backend.add(name, number)
        client = self.client()
        recorders = [self.listen(client, name) for name in names]
        updates = yield gatherResults([each.until("update") for each in recorders])
        self.assertEqual([update.value for update in updates], list(range(2500)))

    @inlineCallbacks
    def test_comes_and_goes(self) -> Any:
        """A PV that is not found, appears and is lost is reported as such."""
        yield self.start()
        recorder = self.listen(self.client(), "late")
        yield recorder.until("connection", lambda connected: not connected)
        self.backend.add("late", 5)
        yield recorder.until_value(5)
        self.backend.remove("late")
        yield recorder.until("connection")
        received = [content for kind, _, content in recorder.events if kind == "connection"]
        self.assertEqual(received, [False, True, False])

    @inlineCallbacks
    def test_refused(self) -> Any:
        """A PV that may not be read is an error, with its code."""
        yield self.start(Secretive())
        recorder = self.listen(self.client(), "secret")
        error = yield recorder.until("error")
        self.assertEqual((error.code, error.pvname), ("forbidden", "secret"))

    @inlineCallbacks
    def test_refused_then_allowed(self) -> Any:
        """A new subscription requests a refused PV again: it may be allowed now."""
        policy = Secretive()
        yield self.start(policy)
        self.backend.add("secret", 1)
        client = self.client()
        first = self.listen(client, "secret")
        yield first.until("error")
        second = self.listen(client, "secret")
        yield gatherResults([each.until("error") for each in (first, second)])
        policy.secret = "nothing"
        third = self.listen(client, "secret")
        yield gatherResults([each.until_value(1) for each in (first, second, third)])
        self.assertNotIn("error", third.kinds)

    @inlineCallbacks
    def test_failing_listener(self) -> Any:
        """An exception of a listener is logged, and does not affect others."""
        yield self.start()
        client = self.client()

        class Failing(Listener):
            def update(self, name: str, update: Any) -> None:
                """Raise."""
                raise RuntimeError("no")

        verifyObject(IListener, Failing())
        client.subscribe("X", Failing())
        recorder = self.listen(client, "X")
        yield recorder.until("update")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class SharingTests(ClientTestCase):
    """Several listeners to one PV."""

    @inlineCallbacks
    def test_newcomer(self) -> Any:
        """A new listener gets the known state before subscribe returns; the others get nothing."""
        yield self.start()
        client = self.client()
        first = self.listen(client, "X")
        yield first.until("update")
        second = self.listen(client, "X")
        self.assertEqual(second.events, first.events)
        self.assertEqual(first.kinds, ["connection", "metadata", "update"])

    @inlineCallbacks
    def test_stronger_newcomer(self) -> Any:
        """A new listener that requests more gets it; earlier listeners get nothing twice."""
        yield self.start()
        client = self.client()
        first = self.listen(client, "X")
        yield first.until("update")
        second = self.listen(client, "X", text=True)
        update = yield second.until("update")
        self.assertEqual(update.text, "1.50")
        self.backend.set("X", 2.0)
        yield gatherResults([first.until_value(2.0), second.until_value(2.0)])
        self.assertEqual((first.values, second.values), ([1.5, 2.0], [1.5, 2.0]))
        self.assertEqual(first.kinds.count("connection"), 1)

    @inlineCallbacks
    def test_rates(self) -> Any:
        """Each listener has its own rate, and each gets the last value."""
        yield self.start()
        client = self.client()
        slow = self.listen(client, "X", max_rate=10)
        every = self.listen(client, "X")
        yield gatherResults([slow.until_value(1.5), every.until_value(1.5)])
        numbers = [float(number) for number in range(100)]
        for number in numbers:
            self.backend.set("X", number)
        yield gatherResults([slow.until_value(99.0), every.until_value(99.0)])
        self.assertEqual(every.values, [1.5, *numbers])
        self.assertLess(len(slow.values), 5)
