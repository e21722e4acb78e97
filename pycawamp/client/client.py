"""The client: subscriptions survive reconnects, requests do not."""

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
from pycawamp.client.listener import IListener
from pycawamp.client.messages import Message
from pycawamp.client.pending import Requests
from pycawamp.client.socket import PING_SECONDS, dial, place
from pycawamp.client.subscribed_pvs import SubscribedPVs
from pycawamp.client.subscriptions import Subscription, SubscriptionOptions
from pycawamp.client.target import Target
from pycawamp.client.values import GatewayError, History, Update
from pycawamp.pv.values import Metadata
from pycawamp.wire.dialect import ImageForm
from pycawamp.wire.v2.codec import dumps

TIMEOUT = 10.0
"""Seconds after which a request fails."""
HISTORY_TIMEOUT = 30.0
"""The same for a history, because the gateway may have to ask an archiver."""


class GatewayClient:
    """A connection to a gateway, which reconnects until it is closed.

    Args:
        reactor: Twisted's reactor.
        target: A URL, or a Target with credentials and TLS settings.
        backoff: Delays between attempts to connect.
        clock: Measures delays and timeouts; the reactor by default.
        on_state: Called with the client after each change of `state`.
        arrays: How arrays are transferred: `json`, `base64` or `binary`. They are
            delivered as numpy arrays in any case.
        ping_interval: Seconds between pings. The connection counts as lost if one is not
            answered within another interval.

    Raises:
        ValueError: `target` is not a valid URL.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts that can be replaced)
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
        self._pvs = SubscribedPVs(reactor, clock, self._send)
        self._connection.start()

    @property
    def state(self) -> State:
        """The state of the connection."""
        return self._connection.state

    @property
    def problem(self) -> str:
        """The last failure, such as "cannot reach ws://host:8888/monitor: connection refused"."""
        verb = "lost" if self._connection.was_open else "cannot reach"
        return f"{verb} {place(self.target.url)}: {self._connection.problem}"

    def when_open(self) -> Deferred[None]:
        """Wait for the connection.

        Returns:
            A Deferred that fires when the client is connected.

        Raises:
            GatewayError: `unreachable` if the current or next attempt to connect fails,
                `closed` if the client is closed.
        """
        if self.state is State.OPEN:
            return succeed(None)
        if self.state is State.CLOSED:
            return fail(GatewayError("closed", "the client is closed"))
        opening: Deferred[None] = Deferred()
        self._opening.append(opening)
        return opening

    def subscribe(  # noqa: PLR0913 (the options of the protocol)
        self,
        name: str,
        listener: IListener,
        *,
        metadata: bool = True,
        text: bool = False,
        max_rate: float | None = None,
        history: float = 0,
        points: int | None = None,
        alarm_message: bool = False,
        attributes: bool = False,
        image: ImageForm | None = None,
    ) -> Subscription:
        """Subscribe to a PV until the subscription is closed.

        Args:
            name: The PV's name.
            listener: Called with updates.
            metadata: Request metadata, and severity and status in each update.
            text: Request the value formatted as text in each update.
            max_rate: Maximum updates per second; the newest is kept. None: every update.
            history: Seconds. The listener's `history` is called before the first update with the
                updates of this time, as far as the gateway keeps them; again after a reconnect.
            points: Maximum number of these samples, including the lowest and highest. None: 8192.
            alarm_message: Request the alarm's message in each update.
            attributes: Request the attributes of images in each update.
            image: How the gateway compresses images. They are sent uncompressed if another
                subscription to the same PV does not request compression.

        Raises:
            GatewayError: `closed` if the client is closed.
        """
        if self.state is State.CLOSED:
            raise GatewayError("closed", "the client is closed", name)
        options = SubscriptionOptions(
            metadata, text, max_rate, history, points, alarm_message, attributes, image
        )
        return self._pvs.subscribe(name, listener, options)

    def reason(self, name: str) -> str | None:
        """Return why a subscribed PV is not connected, as text.

        None if it is connected, or if the reason is unknown. Without a connection to the gateway,
        `problem` says why.

        Args:
            name: The PV's name.
        """
        return self._pvs.reason(name)

    def get(  # noqa: PLR0913 (the options of the protocol)
        self,
        name: str,
        *,
        metadata: bool = True,
        text: bool = False,
        alarm_message: bool = False,
        attributes: bool = False,
        image: ImageForm | None = None,
        timeout: float = TIMEOUT,
    ) -> Deferred[Update]:
        """Read the current value from the IOC.

        Args:
            name: The PV's name.
            metadata: Request severity and status.
            text: Request the value formatted as text.
            alarm_message: Request the alarm's message.
            attributes: Request the attributes of an image.
            image: How the gateway compresses an image; None: not at all.
            timeout: Seconds.

        Returns:
            A Deferred of the update.

        Raises:
            GatewayError: The PV cannot be read.
        """
        options = SubscriptionOptions(
            metadata, text, alarm_message=alarm_message, attributes=attributes, image=image
        )
        reply = self._request("get", name, timeout, **options.on_wire)
        return reply.addCallback(messages.update)

    def put(
        self, name: str, value: Any, *, wait: bool = True, timeout: float = TIMEOUT
    ) -> Deferred[None]:
        """Write a value.

        Args:
            name: The PV's name.
            value: A number, a str (also an enum's label, or the text of a char array), a list or
                a one-dimensional numpy array.
            wait: Wait until the record has finished processing.
            timeout: Seconds for finding the PV, and for processing.

        Returns:
            A Deferred that fires when the record has finished, or without `wait` when the put
            was sent.

        Raises:
            GatewayError: The put was refused or failed. With `unreachable` and `timeout`, it may
                have been executed.
        """
        # The gateway allows the timeout for finding the PV and for writing; its error comes first.
        patience = 2 * timeout + 2
        written = self._request(
            "put", name, patience, value=_plain(value), wait=wait, timeout=timeout
        )
        return written.addCallback(lambda _: None)

    def info(self, name: str, *, timeout: float = TIMEOUT) -> Deferred[Metadata]:
        """Read a PV's metadata.

        Args:
            name: The PV's name.
            timeout: Seconds.

        Returns:
            A Deferred of the metadata.

        Raises:
            GatewayError: The PV is not connected.
        """
        return self._request("info", name, timeout).addCallback(messages.metadata)

    def history(
        self,
        name: str,
        start: float,
        end: float | None = None,
        *,
        points: int | None = None,
        timeout: float = HISTORY_TIMEOUT,
    ) -> Deferred[History]:
        """Read a PV's history from the gateway and its archiver.

        Args:
            name: The PV's name.
            start: UNIX seconds.
            end: UNIX seconds; None: now.
            points: Maximum number of samples. If there are more, the lowest and highest of each
                interval are kept.
            timeout: Seconds.

        Returns:
            A Deferred of the history.

        Raises:
            GatewayError: `archiver_failed`, or the PV may not be read.
        """
        keys: dict[str, float] = {"from": start} | ({} if end is None else {"to": end})
        keys |= {} if points is None else {"points": points}
        return self._request("history", name, timeout, **keys).addCallback(messages.history)

    def reconnect(self) -> None:
        """Connect now, if the client waits for its next attempt."""
        self._connection.start()

    def close(self) -> Deferred[None]:
        """Close the connection and all subscriptions; listeners are no longer called.

        Returns:
            A Deferred that fires when the connection is closed.
        """
        was_closed = self.state is State.CLOSED
        self._pvs.close()
        closed = self._connection.close()
        self._fail("closed", "the client was closed")
        if not was_closed:
            self._notify_state()
        return closed

    # Called by the connection

    def opened(self) -> None:
        """Called when messages can be sent."""
        self._send({"action": "configure", "batch": True, "arrays": self._arrays, "reason": True})
        self._pvs.opened()
        for payload in self._requests.take_unsent():
            self._connection.send(payload)
        opening, self._opening = self._opening, []
        for waiter in opening:
            waiter.callback(None)
        self._notify_state()

    def received(self, payload: bytes, is_binary: bool) -> None:
        """Called with each message."""
        try:
            decoded = messages.decode(payload, is_binary)
        except GatewayError as error:
            self._log.warn("{where}: {error}", where=place(self.target.url), error=error)
            return
        self._connection.is_well()
        for message in decoded:
            self._take(message)

    def lost(self) -> None:
        """Called when the connection is lost, or an attempt to connect has failed."""
        self._pvs.lost()
        self._fail("unreachable", self.problem)
        self._notify_state()

    def _take(self, message: Message) -> None:
        if self.state is not State.OPEN:
            return  # A listener has closed the client.
        try:
            taken = self._requests.answer(message) or self._pvs.take(message)
        except GatewayError as error:
            self._log.warn("{where}: {error}", where=place(self.target.url), error=error)
            return
        if not taken and message.get("msg_type") == "error" and "id" not in message:
            self._log.warn("{where}: {message}", where=place(self.target.url), message=message)

    def _request(self, action: str, name: str, patience: float, **keys: Any) -> Deferred[Message]:
        if self.state is State.CLOSED:
            return fail(GatewayError("closed", "the client is closed", name))
        if self.state is State.WAITING:
            return fail(GatewayError("unreachable", self.problem, name))
        request_id = self._requests.next_id()
        try:
            payload = dumps({"action": action, "pv": name, **keys, "id": request_id})
        except TypeError as error:
            return fail(GatewayError("bad_value", f"the value cannot be sent: {error}", name))
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

    def _notify_state(self) -> None:
        if self._on_state is not None:
            self._on_state(self)


def _plain(value: Any) -> Any:
    """Return the value in a form that the encoder accepts, which some numpy arrays are not."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind not in "iuf" or value.ndim != 1:
        return value.tolist()
    return np.ascontiguousarray(value, value.dtype.newbyteorder("="))
