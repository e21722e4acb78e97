"""The client at a real gateway, over TCP."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, DeferredList, gatherResults, inlineCallbacks
from zope.interface.verify import verifyObject

from pycawamp.client import GatewayError, IListener, Listener, Metadata, State, Subscription
from pycawamp.pv.values import FieldType
from pycawamp.pv.values import Metadata as ServedMetadata
from tests.test_client_base import ClientTestCase, Recorder, Secretive, StateWatcher


class SubscribeTests(ClientTestCase):
    """GatewayClient.subscribe."""

    @inlineCallbacks
    def test_present_state(self) -> Any:
        """A listener hears connection, metadata and value, and then each update in order."""
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
        """An update has value, count, time stamp and alarm, and the text if asked for."""
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
        """Metadata comes as a value, and again when it changes; not at all if not asked for."""
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
        """Arrays arrive the same in all three encodings: numpy arrays that nobody can change."""
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
        """A closed subscription hears nothing more, and the gateway ends its own."""
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
                """Hear one, and no other."""
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
        """Thousands of PVs are asked for in few messages, and all are heard."""
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
        """A PV that is not found, appears and is lost is told as such."""
        yield self.start()
        recorder = self.listen(self.client(), "late")
        yield recorder.until("connection", lambda connected: not connected)
        self.backend.add("late", 5)
        yield recorder.until_value(5)
        self.backend.remove("late")
        yield recorder.until("connection")
        told = [content for kind, _, content in recorder.heard if kind == "connection"]
        self.assertEqual(told, [False, True, False])

    @inlineCallbacks
    def test_refused(self) -> Any:
        """A PV that may not be read is an error, with its code."""
        yield self.start(Secretive())
        recorder = self.listen(self.client(), "secret")
        error = yield recorder.until("error")
        self.assertEqual((error.code, error.pvname), ("forbidden", "secret"))

    @inlineCallbacks
    def test_failing_listener(self) -> Any:
        """A listener that raises is logged, and disturbs nobody."""
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
        """A newcomer is told what is known before subscribe returns; the others hear nothing."""
        yield self.start()
        client = self.client()
        first = self.listen(client, "X")
        yield first.until("update")
        second = self.listen(client, "X")
        self.assertEqual(second.heard, first.heard)
        self.assertEqual(first.kinds, ["connection", "metadata", "update"])

    @inlineCallbacks
    def test_stronger_newcomer(self) -> Any:
        """A newcomer that wants more gets it; those before hear nothing twice."""
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
        """Each listener has its own rate, and the last value reaches them all."""
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


class RequestTests(ClientTestCase):
    """GatewayClient.get, put and info."""

    @inlineCallbacks
    def test_before_open(self) -> Any:
        """Requests made at once are sent when the connection is open."""
        yield self.start()
        client = self.client()
        self.assertIs(client.state, State.CONNECTING)
        update = yield client.get("X", text=True)
        self.assertEqual((update.value, update.text, update.severity), (1.5, "1.50", "NO_ALARM"))

    @inlineCallbacks
    def test_plain_get(self) -> Any:
        """A get brings alarm and text only if asked for."""
        yield self.start()
        update = yield self.client().get("X", metadata=False)
        self.assertEqual((update.severity, update.status, update.text), (None, None, None))

    @inlineCallbacks
    def test_put(self) -> Any:
        """A put writes numbers, labels, lists and numpy arrays of any layout."""
        yield self.start()
        client = self.client()
        self.assertIsNone((yield client.put("X", 2.5)))
        yield client.put("X", np.float64(3.5), wait=False)
        self.assertEqual((yield client.get("X")).value, 3.5)
        yield client.put("M", "Idle")
        self.assertEqual((yield client.get("M")).value, 0)
        yield client.put("S", np.array(["three"]))
        self.assertEqual((yield client.get("S")).value, ("three",))
        for array in (np.arange(6.0)[::2], np.array([0, 2, 4], ">i4"), [0, 2, 4], (0, 2, 4)):
            yield client.put("A", [9])
            yield client.put("A", array)
            np.testing.assert_array_equal((yield client.get("A")).value, [0, 2, 4])

    @inlineCallbacks
    def test_info(self) -> Any:
        """Info brings what the PV says of itself."""
        yield self.start()
        metadata = yield self.client().info("M")
        self.assertEqual(metadata.type, FieldType.ENUM)
        self.assertEqual((metadata.count, metadata.enum_strs), (1, ("Idle", "Busy")))
        self.assertTrue(metadata.write_access)

    @inlineCallbacks
    def test_errors(self) -> Any:
        """What the gateway refuses fails with its code, and with the PV's name."""
        yield self.start(Secretive())
        client = self.client()
        requests: list[tuple[Deferred[Any], str]] = [
            (client.get("nonesuch"), "not_connected"),
            (client.info("nonesuch"), "not_connected"),
            (client.put("nonesuch", 1), "not_connected"),
            (client.get("secret"), "forbidden"),
            (client.put("secret", 1), "forbidden"),
            (client.get(""), "bad_name"),
            (client.get("a\nb"), "bad_name"),
            (client.put("X", "much"), "bad_value"),
            (client.put("X", math.nan), "bad_value"),
            (client.put("M", "Fault"), "bad_value"),
            (client.put("A", []), "bad_value"),
            (client.put("X", object()), "bad_value"),
            (client.put("X", 1, timeout=1e6), "bad_request"),
        ]
        for request, code in requests:
            error = yield self.assertFailure(request, GatewayError)
            self.assertEqual(error.code, code)
            self.assertIn(error.pvname, ("nonesuch", "secret", "", "a\nb", "X", "M", "A"))
            self.assertEqual(str(error), error.message)

    @inlineCallbacks
    def test_timeout(self) -> Any:
        """A request that is not answered in time fails with `timeout`; others go on."""
        yield self.start()
        client = self.client()
        yield client.when_open()
        late, good = client.get("nonesuch", timeout=0.01), client.get("X")
        self.assertEqual((yield self.code_of(late)), "timeout")
        self.assertEqual((yield good).value, 1.5)

    @inlineCallbacks
    def test_cancel(self) -> Any:
        """A request that is cancelled before it was sent is never sent."""
        yield self.start()
        client = self.client()
        put = client.put("X", 7.0)
        put.cancel()
        yield DeferredList([put], consumeErrors=True)
        self.assertEqual((yield client.get("X")).value, 1.5)

    @inlineCallbacks
    def test_order(self) -> Any:
        """Puts to one PV take place in the order of the calls."""
        yield self.start()
        client = self.client()
        recorder = self.listen(client, "X")
        yield recorder.until_value(1.5)
        yield gatherResults([client.put("X", number) for number in range(50)])
        yield recorder.until_value(49)
        self.assertEqual(recorder.values[1:], list(range(50)))


class CloseTests(ClientTestCase):
    """GatewayClient.close."""

    @inlineCallbacks
    def test_close(self) -> Any:
        """Closing fails what is under way, tells nobody anything more, and is for good."""
        yield self.start()
        watcher = StateWatcher()
        client = self.client(on_state=watcher)
        recorder = self.listen(client, "X")
        yield recorder.until("update")
        late = client.get("nonesuch")
        closed = client.close()
        self.assertEqual((yield self.code_of(late)), "closed")
        yield closed
        yield client.close()
        self.assertEqual((yield self.code_of(client.get("X"))), "closed")
        self.assertEqual((yield self.code_of(client.when_open())), "closed")
        self.assertRaises(GatewayError, client.subscribe, "X", recorder)
        self.assertEqual(recorder.kinds, ["connection", "metadata", "update"])
        self.assertEqual(watcher.seen, [State.OPEN, State.CLOSED])

    @inlineCallbacks
    def test_close_at_once(self) -> Any:
        """A client that has not connected yet can be closed."""
        yield self.start()
        client = self.client()
        opening = client.when_open()
        yield client.close()
        self.assertEqual((yield self.code_of(opening)), "closed")

    @inlineCallbacks
    def test_no_update_after_close(self) -> Any:
        """A listener that closes the client hears nothing of the rest of a burst."""
        yield self.start()
        client = self.client()
        first = self.listen(client, "X")
        second = self.listen(client, "X")
        yield first.until("update")
        closing = first.until_value(2.0).addCallback(lambda _: client.close())
        self.backend.set("X", 2.0)
        self.backend.set("X", 3.0)
        yield closing
        self.assertEqual((first.values, second.values), ([1.5, 2.0], [1.5]))
