"""What can go wrong with one request to a PV. The codes are those of docs/protocol.md."""

from __future__ import annotations

from typing import ClassVar


class PVError(Exception):
    """A request to a PV could not be fulfilled; the text says why, to a person."""

    code: ClassVar[str] = "internal"


class NotConnectedError(PVError):
    """No IOC serves the PV now, or its value may not be read."""

    code = "not_connected"


class OverloadedError(PVError):
    """The gateway holds as many bytes for its clients as it may."""

    code = "overloaded"

    def __init__(self, text: str = "the gateway's memory for arrays is full") -> None:
        super().__init__(text)


class AccessError(PVError):
    """The IOC does not grant the access that was asked for."""

    code = "forbidden"


class RefusedError(PVError):
    """The IOC answered with a bad status, or with what cannot be its answer."""

    code = "refused"


class BadValueError(PVError):
    """The PV cannot hold the value; nothing was written."""

    code = "bad_value"


class PutFailedError(PVError):
    """The IOC refused the write, or was lost before the record had finished."""

    code = "put_failed"


class PVTimeoutError(PVError):
    """The IOC did not answer in time; a write may still happen."""

    code = "timeout"


class LibraryError(Exception):
    """The Channel Access library cannot be used; the text says why."""
