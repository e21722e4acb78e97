"""The client when its gateway stops, comes back, or does not exist."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.client import Backoff, GatewayError, State
from pycawamp.client.connection import SOON
from tests.support.client_case import ClientTestCase, Recorder, StateWatcher


class BackoffTests(SynchronousTestCase):
    """Backoff."""

    def test_longest_waits(self) -> None:
        """The maximum delay doubles from 1 s to 30 s, and stays there."""
        waits = [Backoff(random=lambda: 1.0).delay(failures) for failures in range(1, 8)]
        self.assertEqual(waits, [1, 2, 4, 8, 16, 30, 30])
        self.assertEqual(Backoff(random=lambda: 1.0).delay(10**9), 30)

    def test_full_jitter(self) -> None:
        """A delay is between zero and the maximum, by the random source."""
        source, again = random.Random(7), random.Random(7)
        backoff = Backoff(random=source.random)
        waits = [backoff.delay(failures) for failures in (1, 2, 3)]
        self.assertEqual(waits, [again.random() * maximum for maximum in (1, 2, 4)])


class ReconnectTests(ClientTestCase):
    """GatewayClient with a gateway that is restarted."""

    @inlineCallbacks
    def test_resubscribes(self) -> Any:
        """After a reconnect, everything is requested again."""
        yield self.start()
        watcher = StateWatcher()
        client = self.client(on_state=watcher)
        first, second = self.listen(client, "X"), self.listen(client, "A")
        yield gatherResults([first.until("update"), second.until("update")])
        waiting = watcher.next(State.WAITING)
        yield self.stop()
        yield waiting
        self.assertIn("lost", client.problem)
        self.assertIn("the gateway is stopping", client.problem)
        yield first.until("connection", lambda connected: not connected)
        self.backend.set("X", 2.0)
        yield self.start()
        yield gatherResults([first.until_value(2.0), second.until("update")])
        self.backend.set("X", 3.0)
        yield first.until_value(3.0)
        received = [content for kind, _, content in first.events if kind == "connection"]
        self.assertEqual((received, first.values), ([True, False, True], [1.5, 2.0, 3.0]))

    @inlineCallbacks
    def test_changes_meanwhile(self) -> Any:
        """Subscriptions closed or opened without a gateway take effect when it is back."""
        yield self.start()
        watcher = StateWatcher()
        client = self.client(on_state=watcher)
        gone = Recorder()
        subscription = client.subscribe("X", gone)
        yield gone.until("update")
        waiting = watcher.next(State.WAITING)
        yield self.stop()
        yield waiting
        subscription.close()
        newcomer = self.listen(client, "M")
        yield self.start()
        yield newcomer.until("update")
        self.assertEqual(gone.values, [1.5])

    @inlineCallbacks
    def test_pending_fail(self) -> Any:
        """When the gateway stops, pending requests fail; new ones fail at once."""
        yield self.start()
        watcher = StateWatcher()
        client = self.client(on_state=watcher, backoff=Backoff(random=lambda: 1.0))
        yield client.when_open()
        late, waiting = client.get("nonesuch"), watcher.next(State.WAITING)
        yield self.stop()
        self.assertEqual((yield self.code_of(late)), "unreachable")
        yield waiting
        self.assertEqual((yield self.code_of(client.put("X", 7.0))), "unreachable")
        yield self.start()
        client.reconnect()
        self.assertEqual((yield client.get("X")).value, 1.5)

    @inlineCallbacks
    def test_nobody_there(self) -> Any:
        """Without a gateway, the client reports it to listeners, and keeps trying."""
        yield self.start()
        yield self.stop()
        client = self.client()
        recorder = self.listen(client, "X")
        error = yield self.assertFailure(client.when_open(), GatewayError)
        self.assertEqual(str(error), f"cannot reach {self.url}: connection refused")
        self.assertEqual(recorder.events, [("connection", "X", False)])
        yield self.start()
        yield recorder.until_value(1.5)

    @inlineCallbacks
    def test_schedule(self) -> Any:
        """Attempts follow the delays by the client's clock; a message of a gateway resets them."""
        yield self.start()
        yield self.stop()
        clock, watcher, numbers = Clock(), StateWatcher(), random.Random(1)
        backoff = Backoff(random=random.Random(1).random)
        client = self.client(backoff=backoff, clock=clock, on_state=watcher)
        for longest in (1, 2, 4, 8):
            yield watcher.next(State.WAITING)
            [retry] = clock.getDelayedCalls()
            self.assertAlmostEqual(retry.getTime() - clock.seconds(), numbers.random() * longest)
            clock.advance(retry.getTime() - clock.seconds())
        yield watcher.next(State.WAITING)
        yield self.start()
        client.reconnect()
        yield self.listen(client, "X").until("update")
        waiting = watcher.next(State.WAITING)
        yield self.stop()
        yield waiting
        numbers.random()
        [retry] = clock.getDelayedCalls()
        self.assertAlmostEqual(retry.getTime() - clock.seconds(), numbers.random() * SOON)
