"""The seam between a client and those who listen to its PVs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface, implementer

if TYPE_CHECKING:
    from pycawamp.client.values import GatewayError, Update
    from pycawamp.pv.values import Metadata


class IListener(Interface):
    """Who listens to a PV. Each call carries the PV's name, so that one object can hear many.

    The calls come on the reactor, in the IOC's order. A newcomer is told the present
    state first, by the same calls: what is known already before `subscribe` returns.
    """

    def connection(name: str, connected: bool) -> None:
        """Hear that the PV is connected, or not: was lost or not found, or the gateway is gone."""

    def metadata(name: str, metadata: Metadata) -> None:
        """Hear what the PV says of itself: before the first update, and on each change."""

    def update(name: str, update: Update) -> None:
        """Hear one update."""

    def error(name: str, error: GatewayError) -> None:
        """Hear that the gateway refuses the PV, for now.

        It is asked again after a reconnect, and when somebody else subscribes.
        """


@implementer(IListener)
class Listener:
    """A listener that does nothing: override what you want to hear."""

    def connection(self, name: str, connected: bool) -> None:
        """Ignore it."""

    def metadata(self, name: str, metadata: Metadata) -> None:
        """Ignore it."""

    def update(self, name: str, update: Update) -> None:
        """Ignore it."""

    def error(self, name: str, error: GatewayError) -> None:
        """Ignore it."""
