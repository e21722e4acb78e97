"""Random subscriptions of a client that shares them, over a slow network (Hypothesis)."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from pycawamp.client import GatewayError, History, IListener, Subscription, Update, messages
from pycawamp.client.subscribed_pvs import SubscribedPVs
from pycawamp.client.subscriptions import SubscriptionOptions
from pycawamp.pv.values import Metadata
from pycawamp.sessions.session import Session
from tests.support.changing_pvs import NAMES, ChangingPVsMachine
from tests.support.examples import examples
from tests.support.memory_gateway import Page

MAX_LISTENERS = 5
PAUSE = 0.5
"""Seconds between two updates of the slowest listeners."""
ASKED = st.builds(
    SubscriptionOptions,
    metadata=st.booleans(),
    text=st.booleans(),
    max_rate=st.sampled_from([None, None, 1 / PAUSE, 10.0]),
)


@implementer(IListener)
@attrs.define(eq=False)
class Listener:
    """A listener that checks that what it gets is consistent."""

    options: SubscriptionOptions
    connected: bool | None = None
    described: bool = False
    newest: Update | None = None
    subscription: Subscription | None = None
    refused: bool = False
    mistakes: list[str] = attrs.Factory(list)

    def expect(self, condition: object, what: str) -> None:
        """Record an inconsistency: an exception would only be logged."""
        if not condition:
            self.mistakes.append(what)

    def connection(self, _name: str, connected: bool) -> None:
        """Check metadata."""
        self.expect(connected is not self.connected, f"{connected} twice")
        self.connected, self.newest = connected, None
        self.refused = self.refused and not connected

    def metadata(self, _name: str, _metadata: Metadata) -> None:
        """Check a connection."""
        self.expect(self.connected, "metadata without a connection")
        self.described = True

    def history(self, _name: str, _history: History) -> None:
        """History is not requested here."""
        self.expect(False, "history")

    def update(self, _name: str, update: Update) -> None:
        """Check an update, which must be new."""
        self.expect(self.connected, f"{update.value} without a connection")
        if self.options.metadata and update.severity is not None:
            self.expect(self.described, f"{update.value} without metadata")
        if self.newest is not None:
            was, now = number(self.newest), number(update)
            # Once more it may come if it says more: the first answered another's request.
            self.expect(now > was or (now == was and not self.has_all), f"{now} after {was}")
        self.newest = update

    @property
    def has_all(self) -> bool:
        """Return whether the newest update has everything that was requested."""
        newest, options = self.newest, self.options
        assert newest is not None
        has_alarm = newest.severity is not None or not options.metadata
        return has_alarm and (newest.text is not None or not options.text)

    def error(self, _name: str, error: GatewayError) -> None:
        """Check an error."""
        self.expect(error.code == "forbidden", str(error))
        self.expect(not self.connected, "refused, but connected")
        self.refused = True


def number(update: Update) -> float:
    """The value of a scalar."""
    assert isinstance(update.value, int | float)
    return update.value


class ClientMachine(ChangingPVsMachine):
    """What listeners get, independent of other listeners."""

    numbers = st.integers(0, MAX_LISTENERS - 1)
    names = st.sampled_from(NAMES)

    def __init__(self) -> None:
        super().__init__()
        clock = self.gateway.clock
        self.pvs = SubscribedPVs(clock, clock, self.send)
        self.session: Session | None = None
        self.page = Page()
        self.requests: deque[bytes] = deque()
        self.frames: deque[bytes] = deque()
        self.listeners: list[tuple[str, Listener]] = []

    def send(self, message: dict[str, Any]) -> None:
        """Queue a request."""
        if self.session is not None:
            self.requests.append(json.dumps(message).encode())

    @rule(name=names, options=ASKED)
    @precondition(lambda self: len(self.listeners) < MAX_LISTENERS)
    def subscribe(self, name: str, options: SubscriptionOptions) -> None:
        """Add a listener."""
        listener = Listener(options)
        self.listeners.append((name, listener))
        listener.subscription = self.pvs.subscribe(name, listener, options)

    @rule(number=numbers)
    @precondition(lambda self: self.listeners)
    def leave(self, number: int) -> None:
        """Remove a listener."""
        _, listener = self.listeners.pop(number % len(self.listeners))
        assert listener.subscription is not None
        listener.subscription.close()

    @rule()
    @precondition(lambda self: self.session is None)
    def connect(self) -> None:
        """Connect to the gateway."""
        self.session, self.page = self.gateway.open()
        self.send({"action": "configure", "batch": True})
        self.pvs.opened()

    @rule()
    @precondition(lambda self: self.session is not None)
    def disconnect(self) -> None:
        """Lose the connection, with all pending messages."""
        assert self.session is not None
        self.session.close()
        self.session = None
        self.requests.clear()
        self.frames.clear()
        self.pvs.lost()

    @rule(name=names)
    def update(self, name: str) -> None:
        """Change a PV, or create it."""
        self.counter += 1
        self.post(name, self.counter)

    @rule()
    def send_request(self) -> None:
        """Deliver the oldest request."""
        if self.requests and self.session is not None:
            self.session.receive(self.requests.popleft())

    @rule()
    def iterate(self) -> None:
        """End the reactor iteration on both sides."""
        self.gateway.flush_cycle()
        if self.session is not None:
            self.frames.extend(json.dumps(each).encode() for each in self.page.take())

    @rule()
    def receive_message(self) -> None:
        """Deliver the oldest frame."""
        if self.frames:
            for message in messages.decode(self.frames.popleft(), False):
                self.pvs.take(message)

    @rule(seconds=st.sampled_from([0.03, 0.1, PAUSE]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.gateway.advance(seconds)

    @rule()
    def settle(self) -> None:
        """Deliver all pending messages; listeners then have the current state."""
        for _ in range(3):
            self.iterate()
            while self.requests:
                self.send_request()
            self.iterate()
            while self.frames:
                self.receive_message()
            self.wait(PAUSE)
        for name, listener in self.listeners:
            is_subscribed = self.session is not None and name in self.session.subscriptions.names
            if self.session is not None and not is_subscribed:
                assert listener.refused, name
            # What a policy has ended stays subscribed: it comes back when it is allowed again.
            if not is_subscribed or name in self.policy.forbidden or name not in self.values:
                assert not listener.connected, name
            else:
                assert listener.connected, name
                assert listener.newest is not None, name
                assert number(listener.newest) == self.values[name], name
                assert listener.has_all, listener.newest

    @invariant()
    def no_mistakes(self) -> None:
        """No listener got anything inconsistent."""
        for name, listener in self.listeners:
            assert not listener.mistakes, (name, listener.mistakes)

    def teardown(self) -> None:
        """Deliver everything, then remove all listeners: the client requests nothing more."""
        self.settle()
        while self.listeners:
            self.leave(0)
        self.settle()
        if self.session is not None:
            assert not self.session.subscriptions.names
        self.pvs.close()


class ClientStateTests(SynchronousTestCase):
    """ClientMachine."""

    def test_states(self) -> None:
        """Listeners get connection, metadata and updates in order and once, and the last state."""
        steps = settings(max_examples=examples(150), stateful_step_count=50, deadline=None)
        run_state_machine_as_test(ClientMachine, settings=steps)
