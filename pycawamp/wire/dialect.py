"""The seam between the gateway and a protocol that clients speak."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import attrs

from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Request


class Message(NamedTuple):
    """A payload, to be framed by the transport."""

    payload: bytes
    is_binary: bool = False


@attrs.frozen
class Template:
    """What of an update's JSON does not change, for code that writes it without a renderer.

    An update is `before_value`, the value, `before_time`, the UNIX time stamp with nine digits
    after the point, `after_time`, the alarm if it `has_alarm`
    (`,"severity":"…","status":"…"`), and `after_alarm`.
    """

    before_value: bytes
    before_time: bytes
    after_time: bytes
    after_alarm: bytes
    has_alarm: bool


class Renderer(ABC):
    """Turns what happens to one PV into messages, for all clients with the same encoding."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        """The PV's name, as the clients asked for it."""

    @property
    def is_binary(self) -> bool:
        """Whether updates are binary messages, with the metadata as it is now."""
        return False

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on. Called before the first update, and on each change."""

    def described(self, metadata: Metadata) -> Sequence[bytes]:
        """Return the messages that tell connected clients of changed metadata."""
        return ()

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the messages that tell clients that the PV was connected or lost."""
        return ()

    def refused(self, reason: str) -> Sequence[bytes]:
        """Return the messages that tell why the IOC does not send the value."""
        return ()

    def shown(self, metadata: Metadata) -> object:
        """Return the part of `metadata` that updates show.

        When it changes, the newest value is sent again.
        """
        return None

    @abstractmethod
    def update(self, reading: Reading) -> bytes:
        """Return the message for clients that have got every message before it."""

    def template(self) -> Template | None:
        """Return what updates are made of, with the metadata as it is now.

        None if each has to come through `update`. That is asked for a scalar with one element
        only: other updates come through `update` anyway.
        """
        return None

    def newest(self, reading: Reading) -> bytes:
        """Return the message for clients that may have missed earlier updates."""
        return self.update(reading)


class Dialect(ABC):
    """A protocol: parses what clients send, and renders what they are told.

    A dialect is a value without state: pure functions, no I/O. Messages that a dialect
    does not have are None, and nothing is sent for them.
    """

    name: str

    @abstractmethod
    def parse(self, payload: bytes) -> Request:
        """Return the request in a text message; raises BadMessageError."""

    @abstractmethod
    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for the PV that clients call `name`."""

    def value(
        self, request: Request, metadata: Metadata, reading: Reading, encoding: Encoding
    ) -> Message | None:
        """Return the reply to a request for a value."""

    def metadata(self, request: Request, metadata: Metadata, writable: bool) -> bytes | None:
        """Return the reply to a request for metadata.

        `writable` tells whether the gateway lets the client write; the IOC has a say too.
        """

    def error(self, mistake: BadMessageError) -> bytes | None:
        """Return the message that tells a client of its mistake."""

    def connection(self, name: str, connected: bool) -> bytes | None:
        """Return the message that tells that a PV was not found, or is not shown any more."""

    def configured(self, request: Request, encoding: Encoding) -> bytes | None:
        """Return the reply to a changed configuration."""

    def listed(self, request: Request, names: Iterable[str]) -> bytes | None:
        """Return the reply to a request for the names of all subscriptions."""

    def pong(self, request: Request) -> bytes | None:
        """Return the reply to a ping."""

    def written(self, request: Request, name: str) -> bytes | None:
        """Return the reply to a put that succeeded."""


@attrs.frozen
class Encoding:
    """How a client wants its messages. Clients whose encodings are equal share the bytes."""

    dialect: Dialect
    metadata: bool = False
    """Send metadata, and the alarm's severity and status with each update."""
    text: bool = False
    """Send each value also as text, formatted as EPICS tools do."""
    max_rate: float | None = None
    """Updates per second and PV; the newest wins. None: all."""
    arrays: str = "json"
    """The form of arrays: json, base64 or binary."""
    batch: bool = False
    """Send each burst of messages as one JSON array."""
    writable: bool = False
    """Whether the clients may write the PV. Decided by the access rules, not by the client."""

    @property
    def content(self) -> Encoding:
        """The part that decides the bytes of a message: clients that agree on it share them."""
        if self.max_rate is None and not self.batch:
            return self
        return attrs.evolve(self, max_rate=None, batch=False)
