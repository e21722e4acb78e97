"""A naive implementation of the gateway, as a baseline.

It uses pyepics and Autobahn in the most direct way: a `PV` with a callback for each name,
`callFromThread` for each event, `json.dumps` and `sendMessage` for each client. It implements
Version 1 (connect, disconnect, bare names), without limits, handling of slow clients, or linger.

Run: ``python -m bench.naive PORT``.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import epicscorelibs.path.pyepics  # noqa: F401 (makes pyepics load EPICS 7's libca)

# isort: split
import epics
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor as _reactor

reactor: Any = _reactor


class Channel:
    """A PV and its clients."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clients: set[Client] = set()
        self.connected = False
        self.monitor: dict[str, Any] | None = None
        self.units: str | None = None
        # DBR_TIME has no units, and get_ctrlvars blocks, so a second monitor is used.
        mask = epics.dbr.DBE_PROPERTY
        self.unit_pv = epics.PV(name, form="ctrl", auto_monitor=mask, callback=self._units_from_ca)
        self.pv = epics.PV(
            name, form="time", callback=self._from_ca, connection_callback=self._connection_from_ca
        )

    def add(self, client: Client) -> None:
        """Add a client, and send it the current value."""
        self.clients.add(client)
        if self.connected:
            client.show(self._connection())
        if self.monitor is not None:
            client.show(self.monitor)

    def _connection_from_ca(self, conn: bool, **_: Any) -> None:
        reactor.callFromThread(self._on_connection, conn)

    def _units_from_ca(self, units: str | None = None, **_: Any) -> None:
        reactor.callFromThread(setattr, self, "units", units)

    def _from_ca(self, value: Any, count: int, timestamp: float, **_: Any) -> None:
        reactor.callFromThread(self._on_value, value, count, timestamp)

    def _on_connection(self, connected: bool) -> None:
        self.connected = connected
        self._show_all(self._connection())

    def _on_value(self, value: Any, count: int, timestamp: float) -> None:
        self.monitor = {"msg_type": "monitor", "pvname": self.name, "value": _plain(value)}
        self.monitor |= {"count": count, "timestamp": timestamp}
        if self.units:
            self.monitor["units"] = self.units
        self._show_all(self.monitor)

    def _connection(self) -> dict[str, Any]:
        return {"msg_type": "connection", "pvname": self.name, "conn": self.connected}

    def _show_all(self, message: dict[str, Any]) -> None:
        for client in list(self.clients):
            client.show(message)


class Client(WebSocketServerProtocol):  # type: ignore[misc]
    """A client."""

    def onOpen(self) -> None:
        self.channels: dict[str, Channel] = {}

    def onMessage(self, payload: bytes, _binary: bool) -> None:
        text = payload.decode()
        try:
            request = json.loads(text)
        except ValueError:
            request = {"action": "connect", "pv": text}
        if request["action"] == "connect":
            channel = self.factory.channel(request["pv"])
            self.channels[request["pv"]] = channel
            channel.add(self)
        elif request["action"] == "disconnect" and request["pv"] in self.channels:
            self.factory.leave(self.channels.pop(request["pv"]), self)

    def onClose(self, *_: Any) -> None:
        for channel in self.__dict__.pop("channels", {}).values():
            self.factory.leave(channel, self)

    def show(self, message: dict[str, Any]) -> None:
        """Encode and send a message for each client."""
        self.sendMessage(json.dumps(message).encode())


class Gateway(WebSocketServerFactory):  # type: ignore[misc]
    """The channels by name, each shared by its clients."""

    protocol = Client

    def __init__(self) -> None:
        super().__init__()
        self.channels: dict[str, Channel] = {}

    def channel(self, name: str) -> Channel:
        if name not in self.channels:
            self.channels[name] = Channel(name)
        return self.channels[name]

    def leave(self, channel: Channel, client: Client) -> None:
        channel.clients.discard(client)
        if not channel.clients and channel.name in self.channels:
            del self.channels[channel.name]
            channel.pv.disconnect()
            channel.unit_pv.disconnect()


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Listen on the loopback port in argv."""
    epics.ca.initialize_libca()
    reactor.listenTCP(int(sys.argv[1]), Gateway(), interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
