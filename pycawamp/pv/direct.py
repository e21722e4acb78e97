"""Updates of numbers by pvAccess that need no Python, from a connection's bytes to streams.

What is here is compiled, and made by an intake (see pycawamp.pv.inbox).
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

Fields: TypeAlias = tuple[Any, ...]
"""What the leaves of a channel hold: severity, status, message, seconds, nanoseconds, value."""

LEAVES, OTHER = "atmsnv", "-"
"""The names of the leaves of `Fields` in what `Form.add` takes, and that of any other."""
TEXT = "s"
"""The code of a string there; those of numbers are as in struct."""


class Form(Protocol):
    """What updates of one type look like."""

    @property
    def type(self) -> int:
        """The DBR type of its values."""

    def add(self, bits: bytes, leaves: bytes, /) -> bool:
        """Take updates with this bit set; False if they cannot be taken.

        `leaves` has two characters for each leaf that comes: its code and its name.
        """

    def fields(self, raw: bytes, /) -> Fields:
        """Return the fields of a Reading from an update's bytes."""


class Direct(Protocol):
    """One monitor."""

    @property
    def count(self) -> int:
        """Updates that were taken and not acknowledged."""

    def take(self) -> tuple[int, Fields | None]:
        """Return `count`, and what was taken since the last call; None if nothing was."""

    def release(self, count: int, fields: Fields | None, /) -> None:
        """Go on after a message that Python has handled.

        `fields` are what updates change from now on. With None, or without such fields as a
        channel of Channel Access has, Python has to handle the next message too.
        """

    def disarm(self) -> None:
        """Have Python handle the next message."""


class Updates(Protocol):
    """The monitors of one connection."""

    def listen(self, number: int, form: Any, subscription: int, most: int, /) -> Direct:
        """Queue the updates of a monitor.

        `subscription` is the number that the intake's `listen` returned. After `most` updates
        the monitor is due to be acknowledged.
        """

    def forget(self, number: int, /) -> None:
        """Leave all messages of a monitor to Python."""

    def hold(self, number: int, /) -> None:
        """Leave the messages of a monitor to Python until one more was released."""

    def take(self, data: bytes, position: int, /) -> int:
        """Queue the updates from a position on; return the position of what needs Python.

        If that is a message of a monitor, those that follow it wait for its release.
        """

    def take_due(self) -> list[int]:
        """Return the numbers of the monitors that are due to be acknowledged."""
