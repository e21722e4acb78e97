"""Updates of numbers that bypass Python, from the bytes of a connection to streams.

The implementation is compiled, and created by an intake (see pycawamp.pv.intake). `Direct` and
`Updates` are those of pvAccess.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

Fields: TypeAlias = tuple[Any, ...]
"""The leaves of a channel: severity, status, message, seconds, nanoseconds, value."""

LEAVES, OTHER = "atmsnv", "-"
"""The names of the leaves of `Fields` in what `Form.add` takes, and that of any other."""
TEXT = "s"
"""The code of a string there; those of numbers are as in struct."""


class Form(Protocol):
    """The form of the updates of a type."""

    @property
    def type(self) -> int:
        """The DBR type of its values."""

    def add(self, bits: bytes, leaves: bytes, /) -> bool:
        """Handle updates by pvAccess with this bit set; return False if that is not possible."""

    def fields(self, raw: bytes, /) -> Fields:
        """Return the fields of a Reading from an update's bytes."""


class Direct(Protocol):
    """One monitor."""

    @property
    def count(self) -> int:
        """Updates that were taken and not acknowledged."""

    def take(self) -> tuple[int, Fields | None]:
        """Return `count`, and the updates taken since the last call; None if there are none."""

    def release(self, count: int, fields: Fields | None, /) -> None:
        """Continue after a message that Python has handled."""

    def disarm(self) -> None:
        """Let Python handle the next message."""


class Updates(Protocol):
    """The monitors of one connection."""

    def listen(self, number: int, form: Any, subscription: int, max_updates: int, /) -> Direct:
        """Queue the updates of a monitor.

        `subscription` is the number that the intake's `listen` returned. After `max_updates`
        updates, the monitor is due to be acknowledged.
        """

    def forget(self, number: int, /) -> None:
        """Leave all messages of a monitor to Python."""

    def hold(self, number: int, /) -> None:
        """Leave the messages of a monitor to Python until one more was released."""

    def take(self, data: bytes, position: int, /) -> int:
        """Queue the updates from a position on; return the position of the first other message.

        If that is a message of a monitor, those that follow it wait for its release.
        """

    def take_due(self) -> list[int]:
        """Return the numbers of the monitors that are due to be acknowledged."""
