"""A gateway's client: subscriptions that outlive connections, and requests that do not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pycawamp.client import messages
from pycawamp.client.backoff import Backoff
from pycawamp.client.connection import Connection, State
from pycawamp.client.feeds import Feeds
from pycawamp.client.listening import IListener
from pycawamp.client.messages import Message
from pycawamp.client.pending import Requests
from pycawamp.client.socket import PING_SECONDS, dial, place
from pycawamp.client.subscriptions import Options, Subscription
from pycawamp.client.target import Target
from pycawamp.client.values import GatewayError, Update
from pycawamp.pv.values import Metadata
from pycawamp.wire.v2.codec import dumps

TIMEOUT = 10.0
"""Seconds that a request may take."""


class GatewayClient:
    """Connects at once, and again after each loss, until it is closed.

    `target` is a URL or a Target. `clock` measures the waits, if not the reactor.
    `on_state` is called with the client whenever its `state` has changed. `arrays` is how
    arrays travel, `json`, `base64` or `binary`; they arrive as numpy arrays in any case.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (one of each thing that can be replaced)
        self,
        reactor: Any,
        target: str | Target,
        *,
        backoff: Backoff | None = None,
        clock: IReactorTime | None = None,
        on_state: Callable[[GatewayClient], None] | None = None,
        arrays: str = "binary",
        ping_interval: float = PING_SECONDS,
    ) -> None:
        self.target = target if isinstance(target, Target) else Target(target)
        clock = clock or reactor
        self._arrays = arrays
        self._on_state = on_state
        self._requests = Requests(clock)
        self._opening: list[Deferred[None]] = []
        dialer = partial(dial, reactor, self.target, ping=ping_interval)
        self._connection = Connection(clock, dialer, backoff or Backoff(), self)
        self._feeds = Feeds(reactor, clock, self._send)
        self._connection.start()

    @property
    def state(self) -> State:
        """How it stands with its gateway."""
        return self._connection.state

    @property
    def problem(self) -> str:
        """What went wrong last, such as `cannot reach ws://…: connection refused`."""
        verb = "lost" if self._connection.was_open else "cannot reach"
        return f"{verb} {place(self.target.url)}: {self._connection.problem}"

    def when_open(self) -> Deferred[None]:
        """Fires when messages can be sent, at once if they can.

        Fails with GatewayError `unreachable` if the attempt fails that is or comes next.
        """
        if self.state is State.OPEN:
            return succeed(None)
        if self.state is State.CLOSED:
            return fail(GatewayError("closed", "the client is closed"))
        opening: Deferred[None] = Deferred()
        self._opening.append(opening)
        return opening

    def subscribe(
        self,
        name: str,
        listener: IListener,
        *,
        metadata: bool = True,
        text: bool = False,
        max_rate: float | None = None,
    ) -> Subscription:
        """Have a listener hear of a PV, until the subscription is closed.

        `metadata`: metadata, and severity and status in each update. `text`: the value as
        a person reads it, too. `max_rate`: updates per second at most; the newest wins.
        """
        if self.state is State.CLOSED:
            raise GatewayError("closed", "the client is closed", name)
        return self._feeds.subscribe(name, listener, Options(metadata, text, max_rate))

    def get(
        self, name: str, *, metadata: bool = True, text: bool = False, timeout: float = TIMEOUT
    ) -> Deferred[Update]:
        """Fires with the present value, asked of the IOC."""
        wanted = {"metadata": metadata, "text": text}
        return self._ask("get", name, timeout, **wanted).addCallback(messages.update)

    def put(
        self, name: str, value: Any, *, wait: bool = True, timeout: float = TIMEOUT
    ) -> Deferred[None]:
        """Write; fires when the record has finished processing, or (no wait) when it was sent.

        Takes a number, a str (an enum's label, or the text of a char array), a list or a
        numpy array. When the connection is lost meanwhile, nobody knows whether it happened.
        """
        # The gateway allows as long for finding the PV as for writing; its word comes first.
        patience = 2 * timeout + 2
        written = self._ask("put", name, patience, value=_plain(value), wait=wait, timeout=timeout)
        return written.addCallback(lambda _: None)

    def info(self, name: str, *, timeout: float = TIMEOUT) -> Deferred[Metadata]:
        """Fires with what the PV says of itself."""
        return self._ask("info", name, timeout).addCallback(messages.metadata)

    def reconnect(self) -> None:
        """Make the next attempt now, if one is waited for."""
        self._connection.start()

    def close(self) -> Deferred[None]:
        """End everything; fires when the connection is gone. Nobody hears anything after this."""
        was_closed = self.state is State.CLOSED
        self._feeds.close()
        closed = self._connection.close()
        self._fail("closed", "the client was closed")
        if not was_closed:
            self._tell_state()
        return closed

    # What the connection tells

    def opened(self) -> None:
        """Hear that messages can be sent."""
        self._send({"action": "configure", "batch": True, "arrays": self._arrays})
        self._feeds.opened()
        for payload in self._requests.take_unsent():
            self._connection.send(payload)
        opening, self._opening = self._opening, []
        for waiter in opening:
            waiter.callback(None)
        self._tell_state()

    def received(self, payload: bytes, is_binary: bool) -> None:
        """Hear a frame."""
        try:
            decoded = messages.decode(payload, is_binary)
        except GatewayError as error:
            self._log.warn("{where}: {error}", where=place(self.target.url), error=error)
            return
        self._connection.is_well()
        for message in decoded:
            self._take(message)

    def lost(self) -> None:
        """Hear that the connection is gone, or that an attempt failed."""
        self._feeds.lost()
        self._fail("unreachable", self.problem)
        self._tell_state()

    def _take(self, message: Message) -> None:
        if self.state is not State.OPEN:
            return  # A listener has closed the client meanwhile.
        try:
            taken = self._requests.answer(message) or self._feeds.take(message)
        except GatewayError as error:
            self._log.warn("{where}: {error}", where=place(self.target.url), error=error)
            return
        if not taken and message.get("msg_type") == "error" and "id" not in message:
            self._log.warn("{where}: {message}", where=place(self.target.url), message=message)

    def _ask(self, action: str, name: str, patience: float, **keys: Any) -> Deferred[Message]:
        if self.state is State.CLOSED:
            return fail(GatewayError("closed", "the client is closed", name))
        if self.state is State.WAITING:
            return fail(GatewayError("unreachable", self.problem, name))
        request_id = self._requests.next_id()
        try:
            payload = dumps({"action": action, "pv": name, **keys, "id": request_id})
        except TypeError as error:
            return fail(GatewayError("bad_value", f"it cannot be sent: {error}", name))
        answer = self._requests.add(request_id, name, patience)
        if self.state is State.OPEN:
            self._connection.send(payload)
        else:
            self._requests.unsent[request_id] = payload
        return answer

    def _send(self, message: Message) -> None:
        self._connection.send(dumps(message))

    def _fail(self, code: str, text: str) -> None:
        opening, self._opening = self._opening, []
        for waiter in opening:
            waiter.errback(GatewayError(code, text))
        self._requests.fail(code, text)

    def _tell_state(self) -> None:
        if self._on_state is not None:
            self._on_state(self)


def _plain(value: Any) -> Any:
    """A value that JSON has: of numpy's arrays, not all are taken as they are."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in "iuf" or value.ndim != 1:
        return value.tolist()
    return np.ascontiguousarray(value, value.dtype.newbyteorder("="))
