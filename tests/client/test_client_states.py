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

MOST_LISTENERS = 5
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
    """Believes what it is told, if it can be believed."""

    options: SubscriptionOptions
    connected: bool | None = None
    described: bool = False
    newest: Update | None = None
    subscription: Subscription | None = None
    refused: bool = False
    mistakes: list[str] = attrs.Factory(list)

    def expect(self, condition: object, what: str) -> None:
        """Note what cannot be believed: an exception would only be logged."""
        if not condition:
            self.mistakes.append(what)

    def connection(self, _name: str, connected: bool) -> None:
        """Believe it."""
        self.expect(connected is not self.connected, f"{connected} twice")
        self.connected, self.newest = connected, None
        self.refused = self.refused and not connected

    def metadata(self, _name: str, _metadata: Metadata) -> None:
        """Believe it."""
        self.expect(self.connected, "metadata without a connection")
        self.described = True

    def history(self, _name: str, _history: History) -> None:
        """Nobody asks for it."""
        self.expect(False, "history")

    def update(self, _name: str, update: Update) -> None:
        """Believe it, if it is news."""
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
        """Whether the newest update has all that was asked for."""
        newest, options = self.newest, self.options
        assert newest is not None
        has_alarm = newest.severity is not None or not options.metadata
        return has_alarm and (newest.text is not None or not options.text)

    def error(self, _name: str, error: GatewayError) -> None:
        """Believe it."""
        self.expect(error.code == "forbidden", str(error))
        self.expect(not self.connected, "refused, but connected")
        self.refused = True


def number(update: Update) -> float:
    """The value of a scalar."""
    assert isinstance(update.value, int | float)
    return update.value


class ClientMachine(ChangingPVsMachine):
    """What listeners are told, whoever else listens."""

    numbers = st.integers(0, MOST_LISTENERS - 1)
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
        """Have a request on its way."""
        if self.session is not None:
            self.requests.append(json.dumps(message).encode())

    @rule(name=names, options=ASKED)
    @precondition(lambda self: len(self.listeners) < MOST_LISTENERS)
    def subscribe(self, name: str, options: SubscriptionOptions) -> None:
        """One more listens."""
        listener = Listener(options)
        self.listeners.append((name, listener))
        listener.subscription = self.pvs.subscribe(name, listener, options)

    @rule(number=numbers)
    @precondition(lambda self: self.listeners)
    def leave(self, number: int) -> None:
        """One listens no more."""
        _, listener = self.listeners.pop(number % len(self.listeners))
        assert listener.subscription is not None
        listener.subscription.close()

    @rule()
    @precondition(lambda self: self.session is None)
    def connect(self) -> None:
        """The gateway is reached."""
        self.session, self.page = self.gateway.open()
        self.send({"action": "configure", "batch": True})
        self.pvs.opened()

    @rule()
    @precondition(lambda self: self.session is not None)
    def disconnect(self) -> None:
        """The gateway is lost, with all that was on its way."""
        assert self.session is not None
        self.session.close()
        self.session = None
        self.requests.clear()
        self.frames.clear()
        self.pvs.lost()

    @rule(name=names)
    def update(self, name: str) -> None:
        """A PV changes, or appears."""
        self.counter += 1
        self.post(name, self.counter)

    @rule()
    def ask_gateway(self) -> None:
        """The oldest request arrives."""
        if self.requests and self.session is not None:
            self.session.receive(self.requests.popleft())

    @rule()
    def turn(self) -> None:
        """A turn of the loop ends on both sides."""
        self.gateway.flush_cycle()
        if self.session is not None:
            self.frames.extend(json.dumps(each).encode() for each in self.page.take())

    @rule()
    def hear(self) -> None:
        """The oldest frame arrives."""
        if self.frames:
            for message in messages.decode(self.frames.popleft(), False):
                self.pvs.take(message)

    @rule(seconds=st.sampled_from([0.03, 0.1, PAUSE]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.gateway.advance(seconds)

    @rule()
    def settle(self) -> None:
        """All that is on its way arrives; listeners know what is."""
        for _ in range(3):
            self.turn()
            while self.requests:
                self.ask_gateway()
            self.turn()
            while self.frames:
                self.hear()
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
        """Nobody was told what cannot be believed."""
        for name, listener in self.listeners:
            assert not listener.mistakes, (name, listener.mistakes)

    def teardown(self) -> None:
        """All settle; then all leave, and the gateway is asked for nothing."""
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
        """Each listener hears of connection, metadata and news in this order, no older value
        after a newer one, none twice, all that it asked for, and of the newest.
        """
        steps = settings(max_examples=examples(150), stateful_step_count=50, deadline=None)
        run_state_machine_as_test(ClientMachine, settings=steps)
