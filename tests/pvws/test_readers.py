"""Clients written like Grafana's archiver plug-in and pvinfo."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Generator
from typing import Any

import attrs
import numpy as np
from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.access import Policy
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.dialect_case import PVWSTestCase

RECORDS = """
record(ao, "$(P)level") { field(VAL, "1.5") field(PINI, "YES") }
record(longout, "$(P)count") { field(VAL, "7") field(PINI, "YES") }
record(mbbo, "$(P)mode") {
    field(ZRST, "Idle") field(ONST, "Busy") field(ONVL, "1") field(VAL, "1") field(PINI, "YES")
}
record(stringout, "$(P)text") { field(VAL, "text") field(PINI, "YES") }
record(waveform, "$(P)bytes") {
    field(FTVL, "CHAR") field(NELM, "4") field(INP, {const:[55, 56]}) field(PINI, "YES")
}
record(ao, "$(P)never") { field(VAL, "3") }
"""
START_OF_EPICS = 631152000
"""UNIX seconds of the time stamp of a record that was never processed."""
SERVICE_SWITCH = 3001
"""The code with which cs-web-lib closes when it goes over to another host."""


@attrs.define
class Plot:
    """The points of one PV in Grafana's reader, which uses three members of each message.

    A member that is missing or not a number keeps its value.
    """

    client: WebSocketTestClient
    last: dict[str, float] = attrs.Factory(lambda: {"seconds": 0, "nanos": 0, "value": 0.0})

    def points(self) -> list[tuple[float, float]]:
        """Return the points so far: UNIX seconds, and the value."""
        points = []
        for message in self.client.messages:
            for name in self.last:
                if isinstance(message.get(name), int | float):
                    self.last[name] = message[name]
            seconds = self.last["seconds"] + 1e-9 * self.last["nanos"]
            points.append((seconds, self.last["value"]))
        return points


class GrafanaTests(PVWSTestCase):
    """A reader with a socket for each PV."""

    policy = Policy()

    @inlineCallbacks
    def plot(
        self, fixture: GatewayFixture, name: str
    ) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Open a socket for a PV; fires when it has a value."""
        client: WebSocketTestClient = yield fixture.connect(path=self.path)
        client.send(f'{{ "type": "subscribe", "pvs": [ "{self.prefix}{name}" ] }}')
        yield client.until(lambda message: "value" in message)
        return client

    @inlineCallbacks
    def test_plot(self) -> Any:
        """Each message is a point with the current value, none of them in 1970."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        clients = []
        for name in ("level", "count", "mode"):
            clients.append((yield self.plot(fixture, name)))
        level, count, _ = clients
        for value in (2.5, 3.5):
            yield ioc.query(f'dbpf("{self.prefix}level","{value}")')
            yield level.until(value=value)
        yield ioc.query(f'dbpf("{self.prefix}count","8")')
        yield count.until(value=8)
        yield self.kill_ioc(ioc)
        for client in clients:
            yield client.until(severity="UNDEFINED")
        plotted = [Plot(client).points() for client in clients]
        values = [[value for _, value in points] for points in plotted]
        # For a lost PV, the last value is repeated.
        self.assertEqual(values, [[1.5, 2.5, 3.5, 3.5], [7, 8, 8], [1, 1]])
        for points in plotted:
            times = [time for time, _ in points]
            self.assertEqual(times, sorted(times))
            self.assertGreater(times[0], START_OF_EPICS)


class PVInfoTests(PVWSTestCase):
    """A page that shows any PV in its messages."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """Return the text, else the array, else the value, also if the record never processed."""
        _, _, client = yield self.start_all(RECORDS)
        shown = {}
        for name in ("text", "mode", "bytes", "never"):
            update = yield self.first(client, name)
            shown[name] = shown_value(update)
            is_undefined = update["seconds"] == START_OF_EPICS
            self.assertEqual(is_undefined, name == "never", name)
        self.assertEqual(shown, {"text": "text", "mode": "Busy", "bytes": [55, 56], "never": 3})

    @inlineCallbacks
    def test_service_switch(self) -> Any:
        """A client that changes to another host closes with a message, which is accepted."""
        _, fixture, client = yield self.start_all(RECORDS)
        yield self.first(client, "level")
        code = yield client.close(SERVICE_SWITCH)
        self.assertEqual(code, 1000)
        self.assertEqual(dict(fixture.gateway.refusals.counts), {})


def shown_value(update: dict[str, Any]) -> Any:
    """Return what pvinfo shows: the first existing member with a value."""
    if "text" in update:
        return update["text"]
    for member, dtype in (
        ("b64dbl", "<f8"), ("b64int", "<i4"), ("b64byt", "u1"), ("b64flt", "<f4"), ("b64srt", "<i2")
    ):  # fmt: skip
        if member in update:
            return np.frombuffer(b64decode(update[member]), dtype).tolist()
    return update["value"]
