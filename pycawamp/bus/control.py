"""Messages between edges and ingests, apart from bursts. No I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import attrs

from pycawamp.bus.errors import BadBusMessageError
from pycawamp.bus.messages import VERSION, VERSIONS, pack, unpack
from pycawamp.pv.errors import (
    AccessError,
    BadValueError,
    NotConnectedError,
    OverloadedError,
    PutFailedError,
    PVError,
    PVTimeoutError,
    RefusedError,
)
from pycawamp.pv.interfaces import Requester


class Action(IntEnum):
    """What an edge requests."""

    START = 1
    """A new stream: nothing is open in it."""
    OPEN = 2
    """PVs: the edge's number, the name, and (from version 2 on) the highest rate of each."""
    CLOSE = 3
    """PVs, by name."""
    STATUS = 4
    """Whether the stream is complete; has the number of the last burst that was handled."""
    FORGET = 5
    """Cancel a put: the subject of its reply."""
    LEAVE = 6
    """The edge stops."""
    LIMIT = 7
    """Other rates of PVs: the name and the rate of each. From version 2 on."""


@attrs.frozen
class Control:
    """A message from an edge to an ingest."""

    session: str
    """One run of the edge."""
    epoch: int
    """The number of its stream."""
    number: int
    """Number of earlier messages of this epoch that changed what is open."""
    action: Action
    content: Any = None
    version: int = VERSION

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack(
            [self.version, self.session, self.epoch, self.number, self.action, self.content]
        )

    @classmethod
    def of(cls, message: bytes) -> Control:
        """Parse bytes; raises BadBusMessageError."""
        version, session, epoch, number, action, content = _fields(message, 5)
        try:
            return cls(str(session), int(epoch), int(number), Action(action), content, version)
        except (TypeError, ValueError) as error:
            raise BadBusMessageError(str(error)) from None


@attrs.frozen
class StreamStatus:
    """An ingest's reply to Action.STATUS."""

    run: int
    number: int
    """The number of the last burst that was sent."""
    is_whole: bool
    """Whether all control messages of this epoch have arrived."""
    version: int = VERSION
    """The version of the request."""

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack([self.version, self.run, self.number, self.is_whole])

    @classmethod
    def of(cls, message: bytes) -> StreamStatus:
        """Parse bytes; raises BadBusMessageError."""
        version, run, number, is_whole = _fields(message, 3)
        return cls(run, number, bool(is_whole), version)


@attrs.frozen
class Heartbeat:
    """Sent by an ingest twice a second."""

    run: int
    """A random number for each start."""
    started: float
    """UNIX seconds."""
    is_leaving: bool
    versions: tuple[int, ...] = VERSIONS
    """Supported versions of messages."""

    def packed(self) -> bytes:
        """Return it as bytes, which all versions can read."""
        return pack([list(self.versions), self.run, self.started, self.is_leaving])

    @classmethod
    def of(cls, message: bytes) -> Heartbeat:
        """Parse bytes; raises BadBusMessageError."""
        try:
            # Later versions may have more fields.
            versions, run, started, is_leaving, *_ = unpack(message)
            return cls(int(run), float(started), bool(is_leaving), tuple(versions))
        except (TypeError, ValueError) as error:
            raise BadBusMessageError(f"not a heartbeat: {error}") from None

    @property
    def version(self) -> int | None:
        """The newest version that both sides support; None if there is none."""
        return max(set(self.versions) & set(VERSIONS), default=None)


@attrs.frozen
class GetRequest:
    """A get, for an ingest."""

    run: int
    name: str
    version: int = VERSION

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack([self.version, self.run, self.name])

    @classmethod
    def of(cls, message: bytes) -> GetRequest:
        """Parse bytes; raises BadBusMessageError."""
        version, run, name = _fields(message, 2)
        return cls(run, str(name), version)


@attrs.frozen
class PutRequest:
    """A put, for an ingest."""

    run: int
    name: str
    value: Any
    wait: bool
    by: Requester
    version: int = VERSION

    def packed(self) -> bytes:
        """Return it as bytes; raises ValueError if the value cannot be sent."""
        by = list(attrs.astuple(self.by))
        return pack([self.version, self.run, self.name, self.value, self.wait, by])

    @classmethod
    def of(cls, message: bytes) -> PutRequest:
        """Parse bytes; raises BadBusMessageError."""
        version, run, name, value, wait, by = _fields(message, 5)
        try:
            return cls(run, str(name), value, bool(wait), Requester(*by), version)
        except TypeError as error:
            raise BadBusMessageError(str(error)) from None


def answer(content: Any, version: int = VERSION) -> bytes:
    """Return the reply to a request of a version that succeeded."""
    return pack([version, "", content])


def failure(error: PVError, version: int = VERSION) -> bytes:
    """Return the reply to a request of a version that failed."""
    return pack([version, error.code, str(error)])


def result(message: bytes) -> Any:
    """Return the content of a reply.

    Raises:
        PVError: The request failed.
        BadBusMessageError: The payload is not a reply.
    """
    _, code, content = _fields(message, 2)
    if not code:
        return content
    raise _ERRORS.get(str(code), RefusedError)(str(content))


def _fields(message: bytes, number: int) -> list[Any]:
    """Return the version of a message, and its parts, of which there must be `number`."""
    content = unpack(message)
    if not isinstance(content, list) or not content or content[0] not in VERSIONS:
        raise BadBusMessageError("a message of an unknown version")
    if len(content) != number + 1:
        raise BadBusMessageError(f"a message with {len(content) - 1} parts")
    return content


_ERRORS: dict[str, type[PVError]] = {
    error.code: error
    for error in (
        NotConnectedError,
        OverloadedError,
        AccessError,
        RefusedError,
        BadValueError,
        PutFailedError,
        PVTimeoutError,
    )
}
