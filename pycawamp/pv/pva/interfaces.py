"""The interfaces of the receivers of a connection's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from pycawamp.pv.pva.wire import Order, Reader, RequestStatus

Update: TypeAlias = Callable[[Order, bytes, int, int], bool]
"""Handles the update in a part of a buffer; returns False if it cannot."""


class IOperation(Protocol):
    """A pending GET, PUT or MONITOR."""

    def received(self, subcommand: int, reader: Reader) -> None:
        """Handle the rest of a message.

        Raises:
            DecodeError: It is invalid.
        """


class IMonitor(IOperation, Protocol):
    """A MONITOR whose updates can be conflated."""

    def absorb(self, order: Order, buffer: bytes, position: int, end: int) -> bool:
        """Store an update without passing it on; return False if it is not only the value."""

    def report_newest(self) -> None:
        """Pass on the last stored update."""

    def acknowledge(self) -> None:
        """Acknowledge a number of updates to the server."""


class IChannel(Protocol):
    """A channel of a circuit."""

    name: bytes

    def created(self, server_id: int) -> None:
        """Handle that the server has created the channel."""

    def not_created(self, status: RequestStatus) -> None:
        """Handle that the server has refused to create the channel."""

    def destroyed(self) -> None:
        """Handle that the server has closed the channel."""

    def set_access(self, write: bool) -> None:
        """Handle a change of the right to write."""

    def lost(self) -> None:
        """Handle that the connection was lost, or could not be made."""
