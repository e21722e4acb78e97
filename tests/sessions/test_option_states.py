"""Random options, policies, aliases and types of PVs, as several clients see them (Hypothesis)."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.wire.v2.dialect import VERSION_1
from tests.support.changing_pvs import ALIAS, NAMES, ChangingPVsMachine
from tests.support.examples import examples
from tests.support.memory_gateway import LINGER, send_request
from tests.support.version2_case import AnyPage

MAX_CLIENTS = 4
PAUSE = 0.2
"""Seconds between two updates of the slowest clients."""
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.booleans(),
        "text": st.booleans(),
        "batch": st.booleans(),
        "max_rate": st.sampled_from([1 / PAUSE, 50.0, None]),
        "arrays": st.sampled_from(["json", "base64", "binary"]),
    },
)


@attrs.define
class View:
    """One PV, as shown by a page that checks that what it gets is consistent."""

    connected: bool | None = None
    value: int = 0
    described: bool = False
    """Whether metadata came with this connection."""
    refused: bool = False
    """Whether the last message said that it may not be read."""

    def take(self, message: dict[str, Any]) -> None:
        """Check a message."""
        kind = message["msg_type"]
        if kind == "connection":
            self.connected, self.described = message["conn"], False
        elif kind == "metadata":
            assert self.connected, message
            self.described = True
        elif kind == "monitor":
            assert self.connected, message
            assert self.described or "severity" not in message, message
            self._show(message)
        else:
            assert (kind, message["code"]) == ("error", "forbidden"), message
        self.refused = kind == "error"

    def _show(self, message: dict[str, Any]) -> None:
        value = message["value"]
        shown = value[0] if isinstance(value, list) else value
        assert shown >= self.value or message["pvname"] == ALIAS, (message, self.value)
        self.value = shown


@attrs.define(eq=False)
class Client:
    """A client, and what its page shows."""

    session: Session
    page: AnyPage
    requested: set[str] = attrs.Factory(set)
    """The PVs that it has requested and not left."""
    left: set[str] = attrs.Factory(set)
    """The PVs that it has left since everything was sent: its page does not show them."""
    views: dict[str, View] = attrs.Factory(lambda: {name: View() for name in (*NAMES, ALIAS)})

    def handle_messages(self) -> None:
        """Handle received messages."""
        for received in self.page.take():
            for message in _messages(received):
                if "pvname" in message:
                    self.views[message["pvname"]].take(message)


def _messages(received: Any) -> Iterator[dict[str, Any]]:
    """The PVs, each with its value as a list of numbers, or a number."""
    for message in received if isinstance(received, list) else [received]:
        if isinstance(message, bytes):
            size = int.from_bytes(message[:4], "little")
            header = json.loads(message[4 : 4 + size])
            numbers = np.frombuffer(message[-(-(4 + size) // 8) * 8 :], header["dtype"])
            yield {**header, "value": numbers.tolist()}
        elif isinstance(message.get("value"), dict):
            assert message["value"]["shape"] == [message["count"]]
            yield {**message, "value": [_first_of(message["value"])]}
        else:
            yield message


def _first_of(array: dict[str, Any]) -> int:
    numbers = np.frombuffer(b64decode(array["base64"]), array["dtype"])
    return int(numbers[0])


class OptionMachine(ChangingPVsMachine):
    """What pages show, for random requests."""

    clients = st.integers(0, MAX_CLIENTS - 1)
    pvs = st.sampled_from(NAMES)
    names = st.sampled_from((*NAMES, ALIAS))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Client] = []
        self.arrays: set[str] = set()

    def client(self, number: int) -> Client:
        """Return one of the clients."""
        return self.open[number % len(self.open)]

    @rule()
    @precondition(lambda self: len(self.open) < MAX_CLIENTS)
    def come(self) -> None:
        """Add a client."""
        page = AnyPage()
        self.open.append(Client(self.gateway.sessions.open(page, Peer("test"), VERSION_1), page))

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def go(self, number: int) -> None:
        """Remove a client."""
        client = self.client(number)
        self.open.remove(client)
        client.session.close()

    @rule(number=clients, name=names, options=OPTIONS)
    @precondition(lambda self: self.open)
    def join(self, number: int, name: str, options: dict[str, Any]) -> None:
        """A client requests a PV, possibly again, possibly with other options."""
        client = self.client(number)
        send_request(client.session, "connect", name, **options)
        client.requested.add(name)

    @rule(number=clients, name=names)
    @precondition(lambda self: self.open)
    def leave(self, number: int, name: str) -> None:
        """A client disconnects from a PV."""
        client = self.client(number)
        send_request(client.session, "disconnect", name)
        client.requested.discard(name)
        client.left.add(name)

    @rule(number=clients, options=OPTIONS)
    @precondition(lambda self: self.open)
    def configure(self, number: int, options: dict[str, Any]) -> None:
        """A client changes its defaults."""
        request = {"action": "configure", **options}
        self.client(number).session.receive(json.dumps(request).encode())

    @rule(name=pvs, is_array=st.booleans())
    def update(self, name: str, is_array: bool) -> None:
        """Change a PV, or create it as a number or as an array."""
        self.counter += 1
        if name not in self.values:
            self.arrays = self.arrays - {name} | ({name} if is_array else set())
        number = float(self.counter)
        self.post(name, np.full(3, number) if name in self.arrays else number)

    @rule(name=pvs, writable=st.booleans())
    def change_rules(self, name: str, writable: bool) -> None:
        """Change what the alias stands for, and whether PVs may be written."""
        self.policy.target, self.policy.writable = name, writable
        self.gateway.sessions.reauthorize()

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def pause(self, number: int) -> None:
        """Fill a client's socket."""
        self.client(number).session.outbox.pause()

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def resume(self, number: int) -> None:
        """Empty a client's socket."""
        outbox = self.client(number).session.outbox
        if outbox.paused:
            outbox.resume()

    @rule()
    def flush_cycle(self) -> None:
        """End the reactor iteration; all clients read."""
        self.gateway.flush_cycle()
        for client in self.open:
            client.handle_messages()

    @rule(seconds=st.sampled_from([0.01, PAUSE / 2, PAUSE]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.gateway.advance(seconds)
        self.flush_cycle()

    @rule()
    def settle(self) -> None:
        """All clients catch up, and their pages show the current state."""
        for number in range(len(self.open)):
            self.resume(number)
        # Reauthorization takes an iteration for each PV; a rate delays an update for one pause.
        for _ in range(2):
            for _ in range(2 * MAX_CLIENTS * len(self.open) + 2):
                self.flush_cycle()
            self.wait(PAUSE)
        for client in self.open:
            self.check(client)

    def check(self, client: Client) -> None:
        """A page shows the current state of each PV that it has requested and may read."""
        subscribed = set(client.session.subscriptions.names)
        assert subscribed <= client.requested
        readable = subscribed - self.policy.forbidden
        for name in client.requested - readable:
            assert client.views[name].refused, name
            assert name in client.left or not client.views[name].connected, name
        client.requested = subscribed
        for name in client.left - subscribed:
            client.views[name].connected = None
        client.left.clear()
        for name in readable:
            view = client.views[name]
            value = self.values.get(self.policy.target if name == ALIAS else name)
            if value is None:
                assert not view.connected, name
            else:
                assert (view.connected, view.value) == (True, value), name

    def teardown(self) -> None:
        """Everything is sent; then all leave, and nothing remains."""
        self.settle()
        while self.open:
            self.go(0)
        self.gateway.advance(LINGER)
        assert self.gateway.backend.handles == []
        assert self.gateway.hub.names == []
        assert len(self.gateway.sessions.shared.publishers) == 0
        assert len(self.gateway.sessions.shared.publishers.cohorts) == 0


class OptionStateTests(SynchronousTestCase):
    """OptionMachine."""

    def test_states(self) -> None:
        """A page gets consistent messages in order, and shows the current state at the end."""
        steps = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(OptionMachine, settings=steps)
