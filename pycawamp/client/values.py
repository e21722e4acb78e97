"""Updates and errors."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

from pycawamp.pv.values import Array

Value: TypeAlias = "float | int | str | Array | tuple[str, ...] | dict[str, Any] | None"


class GatewayError(Exception):
    """A request failed, or a subscription was refused.

    `code` is one of docs/protocol.md, or one of the client's: `unreachable` (no
    connection to the gateway, or it was lost before the reply), `closed` (the
    client was closed) or `bad_frame` (the gateway sent an invalid message). `message` is a text,
    `pvname` the PV, if any.
    """

    def __init__(self, code: str, message: str, pvname: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pvname = pvname

    def __repr__(self) -> str:
        """Return the code, the text and the PV."""
        return f"GatewayError({self.code!r}, {self.message!r}, {self.pvname!r})"


@attrs.frozen(eq=False)
class History:
    """Numbers over time, oldest first; three arrays of the same length."""

    name: str
    timestamps: Array
    """Time stamps of the IOC in UNIX seconds."""
    values: Array
    """NaN: there was no number, or no connection."""
    severities: Array
    """Alarm severities: 0 NO_ALARM, 1 MINOR, 2 MAJOR, 3 INVALID."""


@attrs.frozen(hash=False)
class Update:
    """An update of a PV, or the reply to a get."""

    name: str
    value: Value = attrs.field(eq=attrs.cmp_using(eq=np.array_equal))
    """A number or a str for a scalar; a read-only numpy array or a tuple of str for an array;
    a dict for a table or a structure. An image is an array with the dimensions of the image, rows
    first, or the bytes of a compressed image (`codec`).
    None, with a count of 0, if there is no value: for an element beyond the end of an array, or an
    empty array of one element."""
    count: int
    """Number of elements of the value."""
    timestamp: float
    """Time stamp of the IOC in UNIX seconds; 0 if there is none."""
    units: str = ""
    severity: str | None = None
    """NO_ALARM, MINOR, MAJOR or INVALID; None if not requested."""
    status: str | None = None
    """The alarm status, such as HIHI; None if not requested."""
    text: str | None = None
    """The value formatted as text; None if not requested, or if the PV has no text."""
    codec: str = ""
    """The compression of an image, such as `jpeg`; empty if there is none."""
    image_shape: tuple[int, ...] = ()
    """Rows, columns, and colours if there are any, of a compressed image."""
    alarm_message: str | None = None
    """The alarm's message, if requested and if it is not just the name of the status."""
    attributes: dict[str, Any] | None = None
    """The attributes of an image; None if not requested."""
    timestamp_ns: int = attrs.field(
        default=attrs.Factory(lambda self: round(self.timestamp * 1e9), takes_self=True),
        kw_only=True,
    )
    """The exact time stamp in nanoseconds; `timestamp` is accurate to about 200 ns."""

    def repeats(self, other: Update) -> bool:
        """Whether it has the time stamp and value of the other, but possibly more keys."""
        same_time = self.timestamp_ns == other.timestamp_ns
        return same_time and bool(np.array_equal(self.value, other.value))  # type: ignore[arg-type]
