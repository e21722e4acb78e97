"""What a client asks of its gateway for its listeners, and how often it tells them."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import Update
from pycawamp.client.subscribed_pvs import MOST_NAMES, SubscribedPVs
from pycawamp.client.subscriptions import SubscriptionOptions, UpdateThrottle, strongest
from tests.support.client_case import Recorder


class PaceTests(SynchronousTestCase):
    """UpdateThrottle."""

    def setUp(self) -> None:
        """Let through two per second."""
        self.clock = Clock()
        self.delivered: list[Any] = []
        self.throttle = UpdateThrottle(
            self.clock, 2.0, lambda update: self.delivered.append(update.value)
        )

    def take(self, *values: int) -> None:
        """Have updates arrive."""
        for value in values:
            self.throttle.take(Update("X", value, 1, 1.5))

    def test_first_and_last(self) -> None:
        """The first goes at once; of the others the newest, when the pause is over."""
        self.take(1, 2, 3)
        self.assertEqual(self.delivered, [1])
        self.clock.advance(0.5)
        self.assertEqual(self.delivered, [1, 3])
        self.clock.advance(0.5)
        self.take(4)
        self.assertEqual(self.delivered, [1, 3, 4])

    def test_flush(self) -> None:
        """What is kept back goes before the connection is told as lost; then it starts anew."""
        self.take(1, 2)
        self.throttle.flush()
        self.take(3)
        self.assertEqual(self.delivered, [1, 2, 3])
        self.throttle.clear()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_strongest(self) -> None:
        """The strongest options serve all: no rate if one wants every update, else the highest."""
        slow, fast = (
            SubscriptionOptions(metadata=False, max_rate=1.0),
            SubscriptionOptions(text=True, max_rate=5.0),
        )
        self.assertEqual(strongest([slow, fast]), SubscriptionOptions(True, True, 5.0))
        self.assertEqual(strongest([slow, SubscriptionOptions(False)]), SubscriptionOptions(False))
        self.assertIsNone(strongest([]))


class FeedsTests(SynchronousTestCase):
    """SubscribedPVs: what the gateway is asked for."""

    def setUp(self) -> None:
        """Keep what is sent."""
        self.clock = Clock()
        self.sent: list[dict[str, Any]] = []
        self.pvs = SubscribedPVs(self.clock, self.clock, self.sent.append)

    def subscribe(self, name: str, **options: Any) -> Any:
        """Subscribe, and do not listen."""
        return self.pvs.subscribe(name, Recorder(), SubscriptionOptions(**options))

    def turn(self) -> list[dict[str, Any]]:
        """What is sent in this turn."""
        self.clock.advance(0)
        sent = list(self.sent)
        self.sent.clear()
        return sent

    def test_one_request(self) -> None:
        """What is subscribed in one turn with the same options goes in one request."""
        self.pvs.opened()
        for name in ("A", "B", "A"):
            self.subscribe(name)
        self.subscribe("C", metadata=False, max_rate=5.0)
        connect = {"action": "connect"}
        self.assertEqual(
            self.turn(),
            [
                {**connect, "metadata": True, "pvs": ["A", "B"]},
                {**connect, "max_rate": 5.0, "pv": "C"},
            ],
        )

    def test_nothing_for_nothing(self) -> None:
        """Who comes and goes within a turn, or wants no more than others, costs no request."""
        self.pvs.opened()
        self.subscribe("A").close()
        self.assertEqual(self.turn(), [])
        kept = self.subscribe("A")
        self.turn()
        self.subscribe("A", metadata=False).close()
        self.subscribe("A")
        self.assertEqual(self.turn(), [])
        kept.close()
        self.assertEqual(self.turn(), [])

    def test_disconnect(self) -> None:
        """When the last has left, the gateway is told; who comes back is asked for again."""
        self.pvs.opened()
        first, second = self.subscribe("A"), self.subscribe("A", text=True)
        self.turn()
        second.close()
        [request] = self.turn()
        self.assertEqual(request, {"action": "connect", "metadata": True, "pv": "A"})
        first.close()
        self.assertEqual(self.turn(), [{"action": "disconnect", "pv": "A"}])
        self.subscribe("A")
        self.assertEqual([each["action"] for each in self.turn()], ["connect"])

    def test_lost_in_the_same_turn(self) -> None:
        """What was to be asked when the gateway was lost is asked when it is back."""
        self.pvs.opened()
        self.subscribe("A")
        self.pvs.lost()
        self.assertEqual(self.turn(), [])
        self.pvs.opened()
        self.assertEqual([each.get("pv") for each in self.turn()], ["A"])

    def test_answer_to_another(self) -> None:
        """Who wants more than what is under way gets the rest with its own answer."""
        self.pvs.opened()
        self.subscribe("A", metadata=False)
        self.turn()
        recorder = Recorder()
        self.pvs.subscribe("A", recorder, SubscriptionOptions(metadata=False, text=True))
        self.turn()
        connection = {"msg_type": "connection", "pvname": "A", "conn": True}
        monitor = {"msg_type": "monitor", "pvname": "A", "value": 1, "count": 1, "timestamp": 1.5}
        complete = {**monitor, "text": "one"}
        for message in (connection, monitor, connection, complete, connection, complete):
            self.pvs.take(message)
        heard = [update.text for kind, _, update in recorder.heard if kind == "update"]
        self.assertEqual(heard, [None, "one"])

    def test_alarm_alone(self) -> None:
        """An alarm that came without a new time stamp is news, whoever it was asked for by."""
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
        """What was refused is asked for again when somebody joins, not when somebody leaves."""
        self.pvs.opened()
        first, second = self.subscribe("A"), self.subscribe("A")
        self.turn()
        refusal = {"msg_type": "error", "code": "forbidden", "pvname": "A", "action": "connect"}
        self.assertTrue(self.pvs.take(refusal))
        second.close()
        self.assertEqual(self.turn(), [])
        self.subscribe("A")
        self.assertEqual([each["action"] for each in self.turn()], ["connect"])
        self.pvs.take(refusal)
        self.pvs.take({"msg_type": "connection", "pvname": "A", "conn": True})
        self.subscribe("A")
        self.assertEqual(self.turn(), [])
        first.close()

    def test_not_of_the_subscription(self) -> None:
        """Errors that answer other requests are not the subscription's."""
        recorder = Recorder()
        self.pvs.subscribe("A", recorder, SubscriptionOptions())
        error = {"msg_type": "error", "code": "not_connected", "pvname": "A"}
        for more in ({"action": "get", "id": 1}, {"action": "disconnect"}):
            self.assertFalse(self.pvs.take({**error, **more}))
        self.assertEqual(recorder.heard, [])

    def test_large(self) -> None:
        """A large page goes in requests that a gateway takes."""
        for number in range(2 * MOST_NAMES + 1):
            self.subscribe(f"P{number}")
        self.pvs.opened()
        sizes = [len(each.get("pvs", [each.get("pv")])) for each in self.turn()]
        self.assertEqual(sizes, [MOST_NAMES, MOST_NAMES, 1])
