"""What a client requests from its gateway for its listeners, and how often it calls them."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import Update
from pycawamp.client.subscribed_pvs import MAX_NAMES, SubscribedPVs
from pycawamp.client.subscriptions import SubscriptionOptions, UpdateThrottle, strongest
from tests.support.client_case import Recorder


class ThrottleTests(SynchronousTestCase):
    """UpdateThrottle."""

    def setUp(self) -> None:
        """Allow two updates per second."""
        self.clock = Clock()
        self.delivered: list[Any] = []
        self.throttle = UpdateThrottle(
            self.clock, 2.0, lambda update: self.delivered.append(update.value)
        )

    def take(self, *values: int) -> None:
        """Pass on updates."""
        for value in values:
            self.throttle.take(Update("X", value, 1, 1.5))

    def test_first_and_last(self) -> None:
        """The first update is delivered at once; then the newest, at the end of the pause."""
        self.take(1, 2, 3)
        self.assertEqual(self.delivered, [1])
        self.clock.advance(0.5)
        self.assertEqual(self.delivered, [1, 3])
        self.clock.advance(0.5)
        self.take(4)
        self.assertEqual(self.delivered, [1, 3, 4])

    def test_flush(self) -> None:
        """A delayed update is delivered before a disconnect; then there is no pause."""
        self.take(1, 2)
        self.throttle.flush()
        self.take(3)
        self.assertEqual(self.delivered, [1, 2, 3])
        self.throttle.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_strongest(self) -> None:
        """The requested options satisfy all: no rate if one needs all updates, else the highest."""
        slow, fast = (
            SubscriptionOptions(metadata=False, max_rate=1.0),
            SubscriptionOptions(text=True, max_rate=5.0),
        )
        self.assertEqual(strongest([slow, fast]), SubscriptionOptions(True, True, 5.0))
        self.assertEqual(strongest([slow, SubscriptionOptions(False)]), SubscriptionOptions(False))
        self.assertIsNone(strongest([]))


class FeedsTests(SynchronousTestCase):
    """SubscribedPVs: the requests to the gateway."""

    def setUp(self) -> None:
        """Store sent messages."""
        self.clock = Clock()
        self.sent: list[dict[str, Any]] = []
        self.pvs = SubscribedPVs(self.clock, self.clock, self.sent.append)

    def subscribe(self, name: str, **options: Any) -> Any:
        """Subscribe with a listener that does nothing."""
        return self.pvs.subscribe(name, Recorder(), SubscriptionOptions(**options))

    def iterate(self) -> list[dict[str, Any]]:
        """Return what is sent in this reactor iteration."""
        self.clock.advance(0)
        sent = list(self.sent)
        self.sent.clear()
        return sent

    def test_one_request(self) -> None:
        """Subscriptions of one reactor iteration with the same options are one request."""
        self.pvs.opened()
        for name in ("A", "B", "A"):
            self.subscribe(name)
        self.subscribe("C", metadata=False, max_rate=5.0)
        connect = {"action": "connect"}
        self.assertEqual(
            self.iterate(),
            [
                {**connect, "metadata": True, "pvs": ["A", "B"]},
                {**connect, "max_rate": 5.0, "pv": "C"},
            ],
        )

    def test_nothing_for_nothing(self) -> None:
        """No request for a PV opened and closed in one iteration, or for options of others."""
        self.pvs.opened()
        self.subscribe("A").close()
        self.assertEqual(self.iterate(), [])
        kept = self.subscribe("A")
        self.iterate()
        self.subscribe("A", metadata=False).close()
        self.subscribe("A")
        self.assertEqual(self.iterate(), [])
        kept.close()
        self.assertEqual(self.iterate(), [])

    def test_disconnect(self) -> None:
        """When the last subscription is closed, the PV is disconnected; the next requests it."""
        self.pvs.opened()
        first, second = self.subscribe("A"), self.subscribe("A", text=True)
        self.iterate()
        second.close()
        [request] = self.iterate()
        self.assertEqual(request, {"action": "connect", "metadata": True, "pv": "A"})
        first.close()
        self.assertEqual(self.iterate(), [{"action": "disconnect", "pv": "A"}])
        self.subscribe("A")
        self.assertEqual([each["action"] for each in self.iterate()], ["connect"])

    def test_lost_in_the_same_turn(self) -> None:
        """Pending requests of a lost connection are sent on the next one."""
        self.pvs.opened()
        self.subscribe("A")
        self.pvs.lost()
        self.assertEqual(self.iterate(), [])
        self.pvs.opened()
        self.assertEqual([each.get("pv") for each in self.iterate()], ["A"])

    def test_answer_to_another(self) -> None:
        """A subscription that needs more than a pending request gets it with its own answer."""
        self.pvs.opened()
        self.subscribe("A", metadata=False)
        self.iterate()
        recorder = Recorder()
        self.pvs.subscribe("A", recorder, SubscriptionOptions(metadata=False, text=True))
        self.iterate()
        connection = {"msg_type": "connection", "pvname": "A", "conn": True}
        monitor = {"msg_type": "monitor", "pvname": "A", "value": 1, "count": 1, "timestamp": 1.5}
        complete = {**monitor, "text": "one"}
        for message in (connection, monitor, connection, complete, connection, complete):
            self.pvs.take(message)
        heard = [update.text for kind, _, update in recorder.heard if kind == "update"]
        self.assertEqual(heard, [None, "one"])

    def test_alarm_alone(self) -> None:
        """An alarm without a new time stamp is an update, whichever request it answers."""
        self.pvs.opened()
        recorder = Recorder()
        self.pvs.subscribe("A", recorder, SubscriptionOptions())
        connection = {"msg_type": "connection", "pvname": "A", "conn": True}
        monitor = {"msg_type": "monitor", "pvname": "A", "value": 1, "count": 1, "timestamp": 1.5}
        good = {**monitor, "severity": "NO_ALARM", "status": "NO_ALARM"}
        bad = {**monitor, "severity": "MAJOR", "status": "COMM"}
        for message in (connection, good, connection, bad, connection, bad):
            self.pvs.take(message)
        heard = [update.severity for kind, _, update in recorder.heard if kind == "update"]
        self.assertEqual(heard, ["NO_ALARM", "MAJOR"])

    def test_refused(self) -> None:
        """A refused PV is requested again by a new subscription, not when one is closed."""
        self.pvs.opened()
        first, second = self.subscribe("A"), self.subscribe("A")
        self.iterate()
        refusal = {"msg_type": "error", "code": "forbidden", "pvname": "A", "action": "connect"}
        self.assertTrue(self.pvs.take(refusal))
        second.close()
        self.assertEqual(self.iterate(), [])
        self.subscribe("A")
        self.assertEqual([each["action"] for each in self.iterate()], ["connect"])
        self.pvs.take(refusal)
        self.pvs.take({"msg_type": "connection", "pvname": "A", "conn": True})
        self.subscribe("A")
        self.assertEqual(self.iterate(), [])
        first.close()

    def test_not_of_the_subscription(self) -> None:
        """Errors of other requests do not affect the subscription."""
        recorder = Recorder()
        self.pvs.subscribe("A", recorder, SubscriptionOptions())
        error = {"msg_type": "error", "code": "not_connected", "pvname": "A"}
        for more in ({"action": "get", "id": 1}, {"action": "disconnect"}):
            self.assertFalse(self.pvs.take({**error, **more}))
        self.assertEqual(recorder.heard, [])

    def test_large(self) -> None:
        """A large page is divided into requests that a gateway accepts."""
        for number in range(2 * MAX_NAMES + 1):
            self.subscribe(f"P{number}")
        self.pvs.opened()
        sizes = [len(each.get("pvs", [each.get("pv")])) for each in self.iterate()]
        self.assertEqual(sizes, [MAX_NAMES, MAX_NAMES, 1])
