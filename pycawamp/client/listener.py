"""The interface of listeners to PVs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface, implementer

if TYPE_CHECKING:
    from pycawamp.client.values import GatewayError, History, Update
    from pycawamp.pv.values import Metadata


class IListener(Interface):
    """A listener to one or several PVs.

    The methods are called in the reactor thread, in the order of the IOC. A new listener is
    first called with the current state; if it is known, before `subscribe` returns.
    """

    def connection(name: str, connected: bool) -> None:
        """Called when the PV is connected, and when it is disconnected or not found.

        It counts as disconnected while there is no connection to the gateway.
        """

    def metadata(name: str, metadata: Metadata) -> None:
        """Called with the metadata before the first update, and on each change."""

    def history(name: str, history: History) -> None:
        """Called before the first update with earlier updates, if they were requested.

        It is not called if the gateway has no history of the PV, and is called again after a
        reconnect.
        """

    def update(name: str, update: Update) -> None:
        """Called with each update."""

    def error(name: str, error: GatewayError) -> None:
        """Called when the gateway refuses the PV.

        The PV is requested again after a reconnect, and with the next subscription to it.
        """


@implementer(IListener)
class Listener:
    """A listener that does nothing; override the methods that you need."""

    def connection(self, name: str, connected: bool) -> None:
        """Do nothing."""

    def metadata(self, name: str, metadata: Metadata) -> None:
        """Do nothing."""

    def history(self, name: str, history: History) -> None:
        """Do nothing."""

    def update(self, name: str, update: Update) -> None:
        """Do nothing."""

    def error(self, name: str, error: GatewayError) -> None:
        """Do nothing."""
