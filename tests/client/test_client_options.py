"""Options of subscriptions: history, and those for pvAccess."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
from PIL import Image
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import GatewayClient, ImageForm
from pycawamp.client.subscribed_pvs import SubscribedPVs
from pycawamp.client.subscriptions import SubscriptionOptions, strongest
from pycawamp.config.settings import GatewaySettings
from tests.support.client_case import ClientTestCase, Recorder
from tests.support.client_process import run_in_process
from tests.support.pva_case import PVATestCase

SHOWN = (
    "add('sick', nt.NTScalar('l'), {'value': 2**53 + 1,"
    " 'alarm': {'severity': 2, 'status': 2, 'message': 'the motor stalled'}})",
    "V = nt.NTNDArray().wrap(np.full((20, 40), 77, 'u1'))",
    "V.attribute = [{'name': 'Gain', 'value': 2.5}]",
    "add('camera', None, V)",
)


class PVAOptionTests(PVATestCase):
    """A gateway of PVs of a p4p server."""

    @inlineCallbacks
    def test_options(self) -> Any:
        """Messages of alarms, attributes and JPEGs are sent if requested."""
        yield self.serve(*SHOWN)
        fixture = yield self.start_gateway()
        client = GatewayClient(reactor, fixture.url)
        self.addCleanup(client.close)
        sick = yield client.get("pva://sick", alarm_message=True)
        self.assertEqual((sick.value, sick.alarm_message), (2**53 + 1, "the motor stalled"))
        self.assertIsNone((yield client.get("pva://sick")).alarm_message)
        viewer = Recorder()
        form = ImageForm(85, 16)
        client.subscribe("pva://camera", viewer, attributes=True, image=form)
        small = yield viewer.until("update")
        self.assertEqual((small.codec, small.image_shape), ("jpeg", (8, 16)))
        self.assertEqual(small.attributes, {"Gain": 2.5})
        self.assertEqual(Image.open(io.BytesIO(small.value.tobytes())).size, (16, 8))
        # Whoever wants the numbers gets them; so do the others.
        other = Recorder()
        client.subscribe("pva://camera", other, alarm_message=True)
        for recorder in (other, viewer):
            whole = yield recorder.until("update", lambda update: not update.codec)
            self.assertTrue(np.array_equal(whole.value, np.full((20, 40), 77)))
            self.assertEqual(whole.attributes, {"Gain": 2.5})
        refused = yield self.assertFailure(
            client.get("pva://camera", image=ImageForm(0)), Exception
        )
        self.assertEqual(refused.code, "bad_request")


class HistoryTests(ClientTestCase):
    """A gateway that keeps a minute of history, of PVs in memory."""

    settings = GatewaySettings(connect_timeout=0.1, history=60)

    @inlineCallbacks
    def test_history(self) -> Any:
        """History is sent once, before the first update, and again on a new connection."""
        yield self.start()
        client = self.client()
        first = self.listen(client, "X")
        yield first.until_value(1.5)
        for value in (2.5, np.nan):
            self.backend.set("X", value)
        self.backend.set("X", 4.5, severity=1)
        yield first.until_value(4.5)
        late = self.listen(client, "X", history=60, points=100)
        yield late.until_value(4.5)
        self.assertEqual(late.kinds, ["connection", "metadata", "history", "update"])
        history = late.events[2][2]
        np.testing.assert_equal(history.values, [1.5, 2.5, np.nan])
        self.assertEqual(history.severities.tolist(), [0, 0, 0])
        self.assertNotIn("history", first.kinds)
        # A change of options does not bring it again.
        with_text = self.listen(client, "X", text=True)
        yield with_text.until("update")
        self.assertEqual(late.kinds.count("history"), 1)
        yield self.stop()
        yield late.until("connection", lambda connected: not connected)
        yield self.start()
        yield late.until_value(4.5)
        self.backend.set("X", 5.5)
        yield late.until_value(5.5)
        # The gateway is a new one: it had nothing to tell.
        self.assertEqual(late.kinds.count("history"), 1)
        later = self.listen(self.client(), "X", history=60)
        yield later.until("history", lambda found: found.values.tolist() == [4.5])

    @inlineCallbacks
    def test_command(self) -> Any:
        """`monitor --history` prints the history in the format of updates."""
        yield self.start()
        watching = self.listen(self.client(), "X")
        yield watching.until_value(1.5)
        self.backend.set("X", 2.5, severity=2)
        self.backend.set("X", 3.5)
        yield watching.until_value(3.5)
        line = ("monitor", "--history", "60", "--count", "1", "X")
        plain = yield run_in_process(self.url, *line)
        shown = [text.split()[3:] for text in plain.lines]
        self.assertEqual(shown, [["1.50"], ["2.50", "MAJOR"], ["3.50"]])
        received = yield run_in_process(self.url, *line, "--json")
        connection, history, update = map(json.loads, received.lines)
        self.assertEqual(connection["conn"], True)
        self.assertEqual((history["msg_type"], history["values"]), ("history", [1.5, 2.5]))
        self.assertEqual(history["severities"], [0, 2])
        self.assertEqual(len(history["timestamps"]), 2)
        self.assertEqual(update["value"], 3.5)


class RequestTests(SynchronousTestCase):
    """SubscribedPVs: the requests to the gateway."""

    def test_history_once(self) -> None:
        """History is requested until it, or a value without it, has arrived."""
        clock, sent = Clock(), list[dict[str, Any]]()
        pvs = SubscribedPVs(clock, clock, sent.append)
        pvs.opened()
        with_history = SubscriptionOptions(metadata=False, history=60)
        recorders = [Recorder(), Recorder()]
        for recorder in recorders:
            pvs.subscribe("A", recorder, with_history)
            clock.advance(0)
        self.assertEqual(sent, [{"action": "connect", "history": 60, "pv": "A"}])
        past = {"timestamps": [1.0], "values": [5], "severities": [0]}
        monitor = {"msg_type": "monitor", "value": 6, "count": 1, "timestamp": 2.5}
        answer = [
            {"msg_type": "connection", "conn": True},
            {"msg_type": "history", **past},
            monitor,
        ]
        for message in answer:
            pvs.take({**message, "pvname": "A"})
        for recorder in recorders:
            self.assertEqual(recorder.kinds, ["connection", "history", "update"])
        pvs.subscribe("A", Recorder(), SubscriptionOptions(metadata=False))
        clock.advance(0)
        self.assertEqual(len(sent), 1)
        late = Recorder()
        pvs.subscribe("A", late, with_history)
        # An update of the request before is none of its own.
        pvs.take({**monitor, "pvname": "A", "value": 7})
        clock.advance(0)
        self.assertEqual(sent[1:], [{"action": "connect", "history": 60, "pv": "A"}])
        for message in answer:
            pvs.take({**message, "pvname": "A"})
        self.assertEqual(late.kinds, ["connection", "history", "update"])
        self.assertEqual(recorders[0].kinds.count("history"), 1)

    def test_strongest(self) -> None:
        """Together, subscriptions request the form that loses least."""
        fine, small = ImageForm(90), ImageForm(50, 64)
        options = [
            SubscriptionOptions(image=small, history=10, points=50),
            SubscriptionOptions(image=ImageForm(60, 128), attributes=True),
        ]
        both = SubscriptionOptions(image=ImageForm(60, 128), attributes=True, history=10, points=50)
        self.assertEqual(strongest(options), both)
        self.assertEqual(strongest([*options, SubscriptionOptions(image=fine)]).image, fine)  # type: ignore[union-attr]
        whole = strongest([*options, SubscriptionOptions(history=5)])
        assert whole is not None
        self.assertEqual((whole.image, whole.history, whole.points), (None, 10, None))
