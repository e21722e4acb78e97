"""Random joins, leaves, updates and pauses of several clients (Hypothesis)."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.session import Session
from tests.support.examples import examples
from tests.support.memory_gateway import LINGER, MemoryGateway, Page, send_request

NAMES = "abcd"
MAX_CLIENTS = 5


@attrs.define
class Sent:
    """What one client should get of one PV."""

    expected: list[Any] = attrs.Factory(list)
    """conn or value, in order, if the client were never slow."""
    slow: bool = False
    """Whether it was ever slow, so that it may miss some."""


@attrs.define(eq=False)
class Client:
    """One client, and what it should get."""

    session: Session
    page: Page
    held: set[str] = attrs.Factory(set)
    sent_messages: dict[str, Sent] = attrs.Factory(lambda: {name: Sent() for name in NAMES})

    def got(self, name: str) -> list[Any]:
        """Return the conn or value of one PV, in the order in which they were received."""
        return [
            message.get("conn", message.get("value"))
            for received in self.page.messages
            for message in (received if isinstance(received, list) else [received])
            if message["pvname"] == name
        ]


class FanoutMachine(RuleBasedStateMachine):
    """What clients get, compared with what they should get."""

    clients = st.integers(0, MAX_CLIENTS - 1)
    names = st.sampled_from(NAMES)
    options = st.sampled_from([{}, {}, {"batch": True}])

    def __init__(self) -> None:
        super().__init__()
        self.gateway = MemoryGateway()
        self.open: list[Client] = []
        # Of each PV its value, while it is there.
        self.values: dict[str, int] = {}
        # Those that the gateway has found some time.
        self.found: set[str] = set()
        self.counter = 100

    def client(self, number: int) -> Client:
        """Return one of the clients."""
        return self.open[number % len(self.open)]

    def record(self, name: str, *items: Any) -> None:
        """Expect that all clients of a PV get this."""
        for client in self.open:
            if name in client.held:
                sent_messages = client.sent_messages[name]
                sent_messages.expected.extend(items)
                sent_messages.slow |= client.session.outbox.paused

    @rule()
    @precondition(lambda self: len(self.open) < MAX_CLIENTS)
    def come(self) -> None:
        """Add a client."""
        self.open.append(Client(*self.gateway.open()))

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def go(self, number: int) -> None:
        """Disconnect a client; what it got until then is checked."""
        client = self.client(number)
        self.gateway.flush_cycle()
        self.check(client)
        self.open.remove(client)
        client.session.close()
        client.page.take()
        self.gateway.flush_cycle()
        assert client.page.messages == []

    @rule(number=clients, name=names, options=options)
    @precondition(lambda self: self.open)
    def join(self, number: int, name: str, options: dict[str, Any]) -> None:
        """A client connects to a PV, possibly again, and gets the current state."""
        client = self.client(number)
        send_request(client.session, "connect", name, **options)
        client.held.add(name)
        sent_messages = client.sent_messages[name]
        sent_messages.slow |= client.session.outbox.paused
        if name in self.values:
            self.found.add(name)
            sent_messages.expected.extend([True, self.values[name]])
        elif name in self.found:
            sent_messages.expected.append(False)

    @rule(number=clients, name=names)
    @precondition(lambda self: self.open)
    def leave(self, number: int, name: str) -> None:
        """A client disconnects from a PV, possibly from one that it does not have."""
        client = self.client(number)
        send_request(client.session, "disconnect", name)
        if name in client.held and client.session.outbox.paused:
            client.sent_messages[name].slow = True
        client.held.discard(name)

    @rule(name=names)
    def update(self, name: str) -> None:
        """Change a PV, or create it."""
        self.counter += 1
        if name not in self.values:
            self.values[name] = self.counter
            if name in self.gateway.hub.names:
                self.found.add(name)
            self.gateway.backend.add(name, self.counter)
            self.record(name, True, self.counter)
        else:
            self.values[name] = self.counter
            self.gateway.backend.set(name, self.counter)
            self.record(name, self.counter)

    @rule(name=names)
    def lose(self, name: str) -> None:
        """Disconnect a PV."""
        if name in self.values:
            del self.values[name]
            self.gateway.backend.remove(name)
            self.record(name, False)

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def pause(self, number: int) -> None:
        """Fill a client's socket. What was collected in this flush cycle is sent later."""
        client = self.client(number)
        for name in client.held:
            client.sent_messages[name].slow = True
        client.session.outbox.pause()

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def resume(self, number: int) -> None:
        """Empty a client's socket."""
        client = self.client(number)
        if client.session.outbox.paused:
            client.session.outbox.resume()

    @rule()
    def flush_cycle(self) -> None:
        """End the flush cycle."""
        self.gateway.flush_cycle()
        for client in self.open:
            self.check(client)

    def check(self, client: Client) -> None:
        """Check what one client got."""
        for name, sent_messages in client.sent_messages.items():
            got = client.got(name)
            if not sent_messages.slow:
                assert got == sent_messages.expected, (name, got, sent_messages.expected)
                continue
            values = [each for each in got if not isinstance(each, bool)]
            assert values == sorted(values), (name, got)
            if not client.session.outbox.paused and name in client.held & self.found:
                assert got[-1] == self.values.get(name, False), (name, got)

    def teardown(self) -> None:
        """All clients catch up, and have the current state; then all leave, and nothing remains."""
        for number in range(len(self.open)):
            self.resume(number)
        self.flush_cycle()
        while self.open:
            self.go(0)
        self.gateway.advance(LINGER)
        assert self.gateway.backend.handles == []
        assert self.gateway.hub.names == []
        assert len(self.gateway.sessions) == 0


class FanoutStateTests(SynchronousTestCase):
    """FanoutMachine."""

    def test_states(self) -> None:
        """Per PV, no client misses an update, gets one twice or out of order, or ends up with
        an old value; only slow ones are spared what was overtaken.
        """
        steps = settings(max_examples=examples(120), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(FanoutMachine, settings=steps)
