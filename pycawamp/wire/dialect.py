"""The interface of dialects: the protocols that clients speak."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import attrs

from pycawamp.pv.history import Samples
from pycawamp.pv.routes import Field
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Request


class Message(NamedTuple):
    """A payload for the transport, which frames it."""

    payload: bytes
    is_binary: bool = False


@attrs.frozen
class Template:
    """The JSON of updates, for C code that writes them."""

    parts: tuple[bytes | Field, ...]
    """The constant parts, and the fields between them."""
    severity: int | None = None
    """Only for updates of this severity; None: for all."""


class Renderer(ABC):
    """Renders the events of a PV as messages, for all clients with the same encoding."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name
        """The PV's name, as the clients requested it."""

    @property
    def is_binary(self) -> bool:
        """Whether updates are binary messages, with the metadata as it is now."""
        return False

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on. Called before the first update, and on each change."""

    def described(self, metadata: Metadata) -> Sequence[bytes]:
        """Return the messages for clients of a connected PV whose metadata has changed."""
        return ()

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the messages for a PV that has connected or disconnected."""
        return ()

    def disconnected(self, reason: str, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the messages of `connection(False, metadata)`, with the reason if requested."""
        return self.connection(False, metadata)

    def refused(self, reason: str) -> Sequence[bytes]:
        """Return the messages for a PV whose value the IOC refuses to send."""
        return ()

    def shown(self, metadata: Metadata) -> object:
        """Return the part of `metadata` that updates show.

        When it changes, the newest value is sent again.
        """
        return None

    @abstractmethod
    def update(self, reading: Reading) -> bytes:
        """Return the message for an update, for clients that have received all earlier ones."""

    def history(self, samples: Samples) -> bytes | None:
        """Return the message with numbers from before the newest update, or None."""
        return None

    def template(self) -> Template | None:
        """Return the template of updates of a scalar, with the current metadata.

        None if `update` has to be called for each. It is called for updates of another severity
        than the template's, without a value, or with text that is not UTF-8 anyway; the template
        may be another one after that.
        """
        return None

    def newest(self, reading: Reading) -> bytes:
        """Return the message for an update, for clients that may have missed earlier ones."""
        return self.update(reading)


class Dialect(ABC):
    """A protocol: parses requests and renders messages.

    A dialect is a value without state: pure functions, no I/O. For messages that a dialect
    does not have, methods return None, and nothing is sent. An error
    that a dialect has no message for is logged.
    """

    name: str
    is_incremental = False
    """Whether updates omit what has not changed. `Renderer.newest` has everything."""
    answers_repeats = True
    """Whether repeated subscriptions to a PV are answered with its current state."""
    search_timeout: float | None = None
    """Seconds until a client is notified that a PV was not found. None: the gateway's setting."""
    pings_back = False
    """Whether a ping is answered with a ping of the transport (RFC 6455, section 5.5.2)."""
    puts_need_subscription = False
    """Whether clients can only write PVs that they have subscribed to."""

    @abstractmethod
    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The text message is not a valid request.
        """

    @abstractmethod
    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for a PV by the name that clients use."""

    def value(
        self, request: Request, metadata: Metadata, reading: Reading, encoding: Encoding
    ) -> Message | None:
        """Return the reply to a request for a value."""

    def metadata(self, request: Request, metadata: Metadata, writable: bool) -> bytes | None:
        """Return the reply to a request for metadata.

        `writable` is whether the gateway allows the client to write, in addition to the IOC.
        """

    def error(self, mistake: BadMessageError) -> bytes | None:
        """Return the error message for a request."""

    def connection(self, name: str, connected: bool) -> bytes | None:
        """Return the message for a PV that was not found, or may no longer be read."""

    def disconnected(self, name: str, reason: str) -> bytes | None:
        """Return the message of `connection(name, False)`, with the reason if requested."""
        return self.connection(name, False)

    def not_found(self, name: str) -> bytes | None:
        """Return the message for a PV that was not found in time."""
        return self.connection(name, False)

    def value_to_put(self, value: Any, metadata: Metadata) -> Any:
        """Return the value to write to a PV for the value in a message.

        Raises:
            BadValueError: The value is not valid for the PV.
        """
        return value

    def history(
        self, request: Request, samples: Samples, metadata: Metadata | None
    ) -> bytes | None:
        """Return the reply to a request for numbers over time.

        `metadata` is None if the PV is not open.
        """

    def configured(self, request: Request, encoding: Encoding) -> bytes | None:
        """Return the reply to a changed configuration."""

    def listed(self, request: Request, names: Iterable[str]) -> bytes | None:
        """Return the reply to a request for the names of all subscriptions."""

    def pong(self, request: Request) -> bytes | None:
        """Return the reply to a ping."""

    def written(self, request: Request, name: str) -> bytes | None:
        """Return the reply to a put that succeeded."""


@attrs.frozen
class ImageForm:
    """How images are compressed."""

    jpeg: int
    """Quality, 1 to 100."""
    max: int | None = None
    """Maximum number of pixels per row and column; None: unlimited."""


@attrs.frozen(cache_hash=True)
class Encoding:
    """The form of a client's messages. Clients with equal encodings share the bytes."""

    dialect: Dialect
    metadata: bool = False
    """Send metadata, and the alarm's severity and status with each update."""
    text: bool = False
    """Send each value also as text, formatted as by EPICS tools."""
    max_rate: float | None = None
    """Maximum updates per second and PV; the newest is kept. None: all."""
    max_array_rate: float | None = None
    """The same for arrays; math.inf: unlimited. None: like `max_rate`."""
    arrays: str = "json"
    """The form of arrays: json, base64 or binary."""
    batch: bool = False
    """Send each burst of messages as one JSON array."""
    reason: bool = False
    """Send the reason why a PV is not connected."""
    alarm_message: bool = False
    """Send the alarm's message if it has more information than the status."""
    int64: str = "number"
    """The form of 64-bit integers in JSON: number or string."""
    attributes: bool = False
    """Send the attributes of images."""
    image: ImageForm | None = None
    """How to compress images; None: images are not changed."""
    writable: bool = False
    """Whether the access rules allow the clients to write the PV."""

    @property
    def content(self) -> Encoding:
        """The options that affect the bytes of a message; clients with the same ones share them."""
        has_rate = self.max_rate is not None or self.max_array_rate is not None
        if not has_rate and not self.batch and not self.reason:
            return self
        return attrs.evolve(self, max_rate=None, max_array_rate=None, batch=False, reason=False)

    @property
    def is_limited(self) -> bool:
        """Whether some updates may be omitted."""
        return any(rate not in (None, math.inf) for rate in (self.max_rate, self.max_array_rate))

    def rate_of(self, metadata: Metadata) -> float | None:
        """Return the maximum updates per second of a PV; None if it is unlimited."""
        rate = self.max_rate
        if metadata.is_array and self.max_array_rate is not None:
            rate = self.max_array_rate
        return None if rate == math.inf else rate
