"""Errors of requests. The codes are those of docs/protocol.md."""

from __future__ import annotations

from typing import ClassVar


class PVError(Exception):
    """A request failed; the text is the reason."""

    code: ClassVar[str] = "internal"


class NotConnectedError(PVError):
    """No IOC serves the PV now, or its value may not be read."""

    code = "not_connected"


class OverloadedError(PVError):
    """The limit of memory for clients is reached."""

    code = "overloaded"

    def __init__(self, text: str = "the gateway's memory for arrays is full") -> None:
        super().__init__(text)


class AccessError(PVError):
    """The IOC does not grant access."""

    code = "forbidden"


class RefusedError(PVError):
    """The IOC answered with an error status or an invalid response."""

    code = "refused"


class BadValueError(PVError):
    """The value is not valid for the PV; nothing was written."""

    code = "bad_value"


class PutFailedError(PVError):
    """The IOC refused the write, or disconnected before the record had finished."""

    code = "put_failed"


class PVTimeoutError(PVError):
    """The IOC did not answer in time; a write may still be executed."""

    code = "timeout"


class ArchiverError(PVError):
    """The archiver did not answer, or its answer is invalid."""

    code = "archiver_failed"


class LibraryError(Exception):
    """The Channel Access library cannot be loaded; the text is the reason."""
