"""Single requests of a client to a real gateway, and closing the client."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, DeferredList, gatherResults, inlineCallbacks

from pycawamp.client import GatewayError, State
from pycawamp.pv.values import FieldType
from tests.support.client_case import ClientTestCase, Secretive, StateWatcher


class RequestTests(ClientTestCase):
    """GatewayClient.get, put and info."""

    @inlineCallbacks
    def test_before_open(self) -> Any:
        """Requests made before the connection are sent when it is open."""
        yield self.start()
        client = self.client()
        self.assertIs(client.state, State.CONNECTING)
        update = yield client.get("X", text=True)
        self.assertEqual((update.value, update.text, update.severity), (1.5, "1.50", "NO_ALARM"))

    @inlineCallbacks
    def test_plain_get(self) -> Any:
        """A get has alarm and text only if requested."""
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
        """Info returns the PV's metadata."""
        yield self.start()
        metadata = yield self.client().info("M")
        self.assertEqual(metadata.type, FieldType.ENUM)
        self.assertEqual((metadata.count, metadata.enum_strs), (1, ("Idle", "Busy")))
        self.assertTrue(metadata.write_access)

    @inlineCallbacks
    def test_errors(self) -> Any:
        """A refused request fails with its code, and with the PV's name."""
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
            (client.put("A", ["much"]), "bad_value"),
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
        """A request without an answer in time fails with `timeout`; others are not affected."""
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
        """Puts to one PV are executed in the order of the calls."""
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
        """Closing fails pending requests, stops all reports, and is final."""
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
        """A listener that closes the client gets nothing of the rest of a burst."""
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
