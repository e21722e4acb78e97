"""The dialect of docs/protocol.md. Version 1 is Version 2 without options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pycawamp.pv.history import Samples
from pycawamp.pv.values import Metadata, Reading
from pycawamp.wire.dialect import Dialect, Encoding, Message, Renderer, Template
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.requests import Request
from pycawamp.wire.v2 import replies
from pycawamp.wire.v2.history import history, is_number
from pycawamp.wire.v2.requests import parse
from pycawamp.wire.v2.updates import Render, is_binary, renderer, shown_metadata, template


class Version2(Dialect):
    """The dialect of docs/protocol.md."""

    name = "pycaserver"

    def parse(self, payload: bytes) -> Request:
        """Parse a request.

        Raises:
            BadMessageError: The text message is not a valid request.
        """
        return parse(payload)

    def renderer(self, name: str, encoding: Encoding) -> Renderer:
        """Return a renderer for a PV by the name that clients use."""
        return PVRenderer(name, encoding)

    def value(
        self, request: Request, metadata: Metadata, reading: Reading, encoding: Encoding
    ) -> Message:
        """Return the reply to a `get`."""
        render = renderer(request.pvname or "", metadata, encoding, "value", request.id)
        return Message(render(reading), is_binary(metadata, encoding))

    def metadata(self, request: Request, metadata: Metadata, writable: bool) -> bytes:
        """Return the reply to an `info`."""
        return replies.metadata(request.pvname or "", metadata, writable, request)

    def error(self, mistake: BadMessageError) -> bytes:
        """Return an `error` message."""
        return replies.error(mistake)

    def connection(self, name: str, connected: bool) -> bytes:
        """Return a `connection` message."""
        return replies.connection(name, connected)

    def disconnected(self, name: str, reason: str) -> bytes:
        """Return a `connection` message with a reason."""
        return replies.connection(name, False, reason)

    def history(self, request: Request, samples: Samples, metadata: Metadata | None) -> bytes:
        """Return the reply to a `history` request."""
        return history(request.pvname or "", samples, metadata, request.id)

    def configured(self, request: Request, encoding: Encoding) -> bytes:
        """Return the reply to a `configure`: the options now in force."""
        return replies.configured(request, encoding)

    def listed(self, request: Request, names: Iterable[str]) -> bytes:
        """Return the reply to a `list`."""
        return replies.listed(request, names)

    def pong(self, request: Request) -> bytes:
        """Return the reply to a `ping`."""
        return replies.pong(request)

    def written(self, request: Request, name: str) -> bytes:
        """Return the reply to a `put` that succeeded."""
        return replies.written(request, name)


class PVRenderer(Renderer):
    """Renders a PV's messages in one encoding."""

    __slots__ = ("_encoding", "_metadata", "update")

    update: Render  # type: ignore[assignment]
    """Renders an update. It is not a method, which would only call the same function."""

    def __init__(self, name: str, encoding: Encoding) -> None:
        super().__init__(name)
        self._encoding = encoding
        self._metadata: Metadata | None = None
        self.update = _undescribed

    @property
    def is_binary(self) -> bool:
        """Whether updates are binary messages, with the metadata as it is now."""
        return self._metadata is not None and is_binary(self._metadata, self._encoding)

    def describe(self, metadata: Metadata) -> None:
        """Use `metadata` from now on. The parts of a message that do not change are prepared."""
        self._metadata = metadata
        self.update = renderer(self.name, metadata, self._encoding)

    def described(self, metadata: Metadata) -> Sequence[bytes]:
        """Return the messages for clients of a connected PV whose metadata has changed."""
        if not self._encoding.metadata:
            return ()
        return (replies.metadata(self.name, metadata, self._encoding.writable),)

    def connection(self, connected: bool, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the messages for a PV that has connected or disconnected."""
        return self._announce(replies.connection(self.name, connected), connected, metadata)

    def disconnected(self, reason: str, metadata: Metadata | None) -> Sequence[bytes]:
        """Return the messages for a PV that is not connected, with the reason."""
        return self._announce(replies.connection(self.name, False, reason), False, metadata)

    def _announce(
        self, message: bytes, connected: bool, metadata: Metadata | None
    ) -> Sequence[bytes]:
        # Metadata of a disconnected PV is not current, except that it may not be read.
        if metadata is not None and (connected or not metadata.read_access):
            return (message, *self.described(metadata))
        return (message,)

    def refused(self, reason: str) -> Sequence[bytes]:
        """Return an `error` message."""
        return (replies.refused(self.name, reason, self._metadata),)

    def history(self, samples: Samples) -> bytes | None:
        """Return a `history` message if the PV's value is a number."""
        metadata = self._metadata
        if metadata is None or not is_number(metadata):
            return None
        return history(self.name, samples, metadata)

    def shown(self, metadata: Metadata) -> object:
        """Return the units, and the metadata that `text` depends on."""
        return shown_metadata(metadata, self._encoding)

    def template(self) -> Template | None:
        """Return the template of updates, unless they have a text or are arrays."""
        if self._metadata is None:
            return None
        return template(self.name, self._metadata, self._encoding)


def _undescribed(_reading: Reading) -> bytes:
    raise AssertionError("a reading came before its metadata")


VERSION_2 = Version2()
VERSION_1 = Encoding(VERSION_2)
"""The encoding of a client that has set no option."""
