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
from tests.support.memory_gateway import LINGER, ask
from tests.support.version2_case import AnyPage

MOST_CLIENTS = 4
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
    """One PV, as a page that believes what it is told shows it."""

    connected: bool | None = None
    value: int = 0
    described: bool = False
    """Whether metadata came with this connection."""
    refused: bool = False
    """Whether it was told that it may not read the PV, after it last was told anything else."""

    def take(self, message: dict[str, Any]) -> None:
        """Believe a message, if it can be believed."""
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
    asked: set[str] = attrs.Factory(set)
    """What it asked for and has not left."""
    left: set[str] = attrs.Factory(set)
    """What it left of its own will since all was settled: its page shows nothing of that."""
    views: dict[str, View] = attrs.Factory(lambda: {name: View() for name in (*NAMES, ALIAS)})

    def look(self) -> None:
        """Take what came."""
        for received in self.page.take():
            for message in _messages(received):
                if "pvname" in message:
                    self.views[message["pvname"]].take(message)


def _messages(received: Any) -> Iterator[dict[str, Any]]:
    """Each with its value as a list of numbers, or a number."""
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
    """What pages show, whatever they asked for."""

    clients = st.integers(0, MOST_CLIENTS - 1)
    pvs = st.sampled_from(NAMES)
    names = st.sampled_from((*NAMES, ALIAS))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Client] = []
        self.arrays: set[str] = set()

    def client(self, number: int) -> Client:
        """One of those that are there."""
        return self.open[number % len(self.open)]

    @rule()
    @precondition(lambda self: len(self.open) < MOST_CLIENTS)
    def come(self) -> None:
        """A client comes."""
        page = AnyPage()
        self.open.append(Client(self.gateway.sessions.open(page, Peer("test"), VERSION_1), page))

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def go(self, number: int) -> None:
        """A client goes."""
        client = self.client(number)
        self.open.remove(client)
        client.session.close()

    @rule(number=clients, name=names, options=OPTIONS)
    @precondition(lambda self: self.open)
    def join(self, number: int, name: str, options: dict[str, Any]) -> None:
        """A client asks for a PV, again perhaps, with other options perhaps."""
        client = self.client(number)
        ask(client.session, "connect", name, **options)
        client.asked.add(name)

    @rule(number=clients, name=names)
    @precondition(lambda self: self.open)
    def leave(self, number: int, name: str) -> None:
        """A client leaves a PV."""
        client = self.client(number)
        ask(client.session, "disconnect", name)
        client.asked.discard(name)
        client.left.add(name)

    @rule(number=clients, options=OPTIONS)
    @precondition(lambda self: self.open)
    def configure(self, number: int, options: dict[str, Any]) -> None:
        """A client changes its defaults."""
        request = {"action": "configure", **options}
        self.client(number).session.receive(json.dumps(request).encode())

    @rule(name=pvs, is_array=st.booleans())
    def update(self, name: str, is_array: bool) -> None:
        """A PV changes, or appears as a number or as an array."""
        self.counter += 1
        if name not in self.values:
            self.arrays = self.arrays - {name} | ({name} if is_array else set())
        number = float(self.counter)
        self.post(name, np.full(3, number) if name in self.arrays else number)

    @rule(name=pvs, writable=st.booleans())
    def change_rules(self, name: str, writable: bool) -> None:
        """The policy changes what the alias stands for, and whether PVs may be written."""
        self.policy.target, self.policy.writable = name, writable
        self.gateway.sessions.reauthorize()

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def pause(self, number: int) -> None:
        """A client's socket is full."""
        self.client(number).session.outbox.pause()

    @rule(number=clients)
    @precondition(lambda self: self.open)
    def resume(self, number: int) -> None:
        """A client's socket has room again."""
        outbox = self.client(number).session.outbox
        if outbox.paused:
            outbox.resume()

    @rule()
    def flush_cycle(self) -> None:
        """The reactor's turn ends, and all look at what came."""
        self.gateway.flush_cycle()
        for client in self.open:
            client.look()

    @rule(seconds=st.sampled_from([0.01, PAUSE / 2, PAUSE]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.gateway.advance(seconds)
        self.flush_cycle()

    @rule()
    def settle(self) -> None:
        """All catch up, and their pages show what is."""
        for number in range(len(self.open)):
            self.resume(number)
        # Reviews take a turn for each PV; a rate keeps an update back for one pause.
        for _ in range(2):
            for _ in range(2 * MOST_CLIENTS * len(self.open) + 2):
                self.flush_cycle()
            self.wait(PAUSE)
        for client in self.open:
            self.check(client)

    def check(self, client: Client) -> None:
        """A page shows what is, of each PV that it asked for and may read (again)."""
        subscribed = set(client.session.subscriptions.names)
        assert subscribed <= client.asked
        readable = subscribed - self.policy.forbidden
        for name in client.asked - readable:
            assert client.views[name].refused, name
            assert name in client.left or not client.views[name].connected, name
        client.asked = subscribed
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
        """All settle; then all go, and nothing is left."""
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
        """Whatever a page asked for, it is told of a connection before values, of metadata
        before values that have alarms, of nothing old after the new; and ends up showing what is.
        """
        steps = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
        run_state_machine_as_test(OptionMachine, settings=steps)
