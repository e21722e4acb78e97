"""What a client hears: frozen values, and the one kind of error."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs
import numpy as np

from pycawamp.pv.values import Array

Value: TypeAlias = "float | int | str | Array | tuple[str, ...] | dict[str, Any] | None"


class GatewayError(Exception):
    """A request failed, or a subscription was refused; the text says why, to a person.

    Codes: those of docs/protocol.md, and the client's own `unreachable` (there is no
    connection to the gateway, or it was lost before the answer), `closed` (by `close`)
    and `bad_frame` (the gateway sent what cannot be read).
    """

    def __init__(self, code: str, message: str, pvname: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pvname = pvname

    def __repr__(self) -> str:
        """The code and the text."""
        return f"GatewayError({self.code!r}, {self.message!r}, {self.pvname!r})"


@attrs.frozen(hash=False)
class Update:
    """One update of a PV, or the answer to a get."""

    name: str
    value: Value = attrs.field(eq=attrs.cmp_using(eq=np.array_equal))
    """A number or a str of a scalar channel; NaN is NaN. Of an array channel a numpy array
    that cannot be written to, or a tuple of str; of a table or structure a dict. None, with a
    count of 0, if there is no value: of an element beyond an array's end, or an empty array of
    one element."""
    count: int
    """Elements in the value."""
    timestamp: float
    """UNIX seconds, of the IOC's clock; 0 if it sends none."""
    units: str = ""
    severity: str | None = None
    """NO_ALARM, MINOR, MAJOR or INVALID; None if it was not asked for."""
    status: str | None = None
    """What the alarm is about, such as HIHI; None if it was not asked for."""
    text: str | None = None
    """The value as a person reads it; None if not asked for, or where there is none."""
    timestamp_ns: int = attrs.field(
        default=attrs.Factory(lambda self: round(self.timestamp * 1e9), takes_self=True),
        kw_only=True,
    )
    """The time stamp in nanoseconds, exactly; a float keeps about 200 of them apart."""

    def repeats(self, other: Update) -> bool:
        """Whether it brings no news after the other, but perhaps more about it."""
        same_time = self.timestamp_ns == other.timestamp_ns
        return same_time and bool(np.array_equal(self.value, other.value))  # type: ignore[arg-type]
