"""What edges ask ingests for, and what ingests say of themselves. No I/O."""

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


class Ask(IntEnum):
    """What an edge asks for."""

    START = 1
    """A new stream: nothing is open in it."""
    OPEN = 2
    """PVs: pairs of the edge's number and the name."""
    CLOSE = 3
    """PVs, by name."""
    STATUS = 4
    """Whether the stream is whole; has the number of the last burst that was handled."""
    FORGET = 5
    """A put that nobody waits for any more: where its reply was to go."""
    LEAVE = 6
    """Nothing any more: the edge stops."""


@attrs.frozen
class Control:
    """A message from an edge to an ingest."""

    session: str
    """One run of the edge."""
    epoch: int
    """Of its stream, counted by the edge."""
    number: int
    """How many messages of this epoch before it changed what is open."""
    ask: Ask
    content: Any = None

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack([VERSION, *_values(self)])

    @classmethod
    def of(cls, message: bytes) -> Control:
        """Return what bytes say; raises BadBusMessageError."""
        session, epoch, number, ask, content = _fields(message, 5)
        try:
            return cls(str(session), int(epoch), int(number), Ask(ask), content)
        except (TypeError, ValueError) as error:
            raise BadBusMessageError(str(error)) from None


@attrs.frozen
class StreamStatus:
    """An ingest's answer to Ask.STATUS."""

    run: int
    number: int
    """Of the last burst that was sent."""
    is_whole: bool
    """Whether all that the edge asked for in this epoch has come."""

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack([VERSION, *_values(self)])

    @classmethod
    def of(cls, message: bytes) -> StreamStatus:
        """Return what bytes say; raises BadBusMessageError."""
        run, number, is_whole = _fields(message, 3)
        return cls(run, number, bool(is_whole))


@attrs.frozen
class Beat:
    """What an ingest says of itself, twice a second."""

    run: int
    """A random number for each start."""
    started: float
    """UNIX seconds."""
    is_leaving: bool
    versions: tuple[int, ...] = VERSIONS
    """Of messages that it speaks."""

    def packed(self) -> bytes:
        """Return it as bytes, which all versions can read."""
        return pack([list(self.versions), self.run, self.started, self.is_leaving])

    @classmethod
    def of(cls, message: bytes) -> Beat:
        """Return what bytes say; raises BadBusMessageError."""
        try:
            # Later versions may say more.
            versions, run, started, is_leaving, *_ = unpack(message)
            return cls(int(run), float(started), bool(is_leaving), tuple(versions))
        except (TypeError, ValueError) as error:
            raise BadBusMessageError(f"no beat: {error}") from None

    @property
    def version(self) -> int | None:
        """The newest version that both sides speak; None if there is none."""
        return max(set(self.versions) & set(VERSIONS), default=None)


@attrs.frozen
class GetRequest:
    """A get, for an ingest."""

    run: int
    name: str

    def packed(self) -> bytes:
        """Return it as bytes."""
        return pack([VERSION, self.run, self.name])

    @classmethod
    def of(cls, message: bytes) -> GetRequest:
        """Return what bytes say; raises BadBusMessageError."""
        return cls(*_fields(message, 2))


@attrs.frozen
class PutRequest:
    """A put, for an ingest."""

    run: int
    name: str
    value: Any
    wait: bool
    by: Requester

    def packed(self) -> bytes:
        """Return it as bytes; raises ValueError if the value cannot be sent."""
        return pack([VERSION, self.run, self.name, self.value, self.wait, list(_values(self.by))])

    @classmethod
    def of(cls, message: bytes) -> PutRequest:
        """Return what bytes say; raises BadBusMessageError."""
        run, name, value, wait, by = _fields(message, 5)
        try:
            return cls(run, str(name), value, bool(wait), Requester(*by))
        except TypeError as error:
            raise BadBusMessageError(str(error)) from None


def answer(content: Any) -> bytes:
    """Return the reply to a request that succeeded."""
    return pack([VERSION, "", content])


def failure(error: PVError) -> bytes:
    """Return the reply to a request that failed."""
    return pack([VERSION, error.code, str(error)])


def result(message: bytes) -> Any:
    """Return the content of a reply.

    Raises:
        PVError: The request failed.
        BadBusMessageError: It is no reply.
    """
    code, content = _fields(message, 2)
    if not code:
        return content
    raise _ERRORS.get(str(code), RefusedError)(str(content))


def _values(instance: Any) -> tuple[Any, ...]:
    return tuple(getattr(instance, field.name) for field in attrs.fields(type(instance)))


def _fields(message: bytes, number: int) -> list[Any]:
    content = unpack(message)
    if not isinstance(content, list) or not content or content[0] not in VERSIONS:
        raise BadBusMessageError("a message of an unknown version")
    if len(content) != number + 1:
        raise BadBusMessageError(f"a message with {len(content) - 1} parts")
    return content[1:]


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
