"""epics2web's WebSocket: the messages about real records."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from tests.support.dialect_case import Epics2WebTestCase

RECORDS = """
record(ao, "$(P)double") { field(VAL, "1.5") field(EGU, "mm") field(HOPR, "10") field(PINI, "YES") }
record(longout, "$(P)long") { field(VAL, "-7") field(PINI, "YES") }
record(mbbo, "$(P)enum") {
    field(ZRST, "Idle") field(ONST, "Busy") field(ONVL, "1") field(VAL, "1") field(PINI, "YES")
}
record(stringout, "$(P)string") { field(VAL, "text") field(PINI, "YES") }
record(calcout, "$(P)nan") { field(CALC, "0/0") field(PINI, "YES") }
record(calcout, "$(P)infinite") { field(CALC, "A") field(A, "-Inf") field(PINI, "YES") }
record(waveform, "$(P)doubles") {
    field(FTVL, "DOUBLE") field(NELM, "4") field(INP, {const:[1.5, -2]}) field(PINI, "YES")
}
record(waveform, "$(P)floats") {
    field(FTVL, "FLOAT") field(NELM, "4") field(INP, {const:[0.1]}) field(PINI, "YES")
}
record(waveform, "$(P)shorts") {
    field(FTVL, "SHORT") field(NELM, "4") field(INP, {const:[-1, 300]}) field(PINI, "YES")
}
record(waveform, "$(P)text") {
    field(FTVL, "CHAR") field(NELM, "8") field(INP, {const:[72, 195, 169, 0, 65]})
    field(PINI, "YES")
}
record(waveform, "$(P)strings") {
    field(FTVL, "STRING") field(NELM, "4") field(INP, {const:["a", "b"]}) field(PINI, "YES")
}
record(waveform, "$(P)none") { field(FTVL, "DOUBLE") field(NELM, "4") field(PINI, "YES") }
record(waveform, "$(P)char") {
    field(FTVL, "CHAR") field(NELM, "1") field(INP, {const:[-5]}) field(PINI, "YES")
}
"""


class MonitorTests(Epics2WebTestCase):
    """Monitors."""

    @inlineCallbacks
    def test_types(self) -> Any:
        """The first message has the type, the second the first element."""
        _, _, client = yield self.start_all(RECORDS)
        labels = {"enum-labels": ["Idle", "Busy"]}
        expected: dict[str, tuple[str, int, dict[str, Any], Any]] = {
            "double": ("DBR_DOUBLE", 1, {}, 1.5),
            "long": ("DBR_INT", 1, {}, -7),
            "enum": ("DBR_ENUM", 1, labels, 1),
            "string": ("DBR_STRING", 1, {}, "text"),
            "nan": ("DBR_DOUBLE", 1, {}, "NaN"),
            "infinite": ("DBR_DOUBLE", 1, {}, "-Infinity"),
            "doubles": ("DBR_DOUBLE", 4, {}, 1.5),
            "floats": ("DBR_FLOAT", 4, {}, 0.1),
            "shorts": ("DBR_SHORT", 4, {}, -1),
            "text": ("DBR_BYTE", 8, {}, "Hé"),
            "strings": ("DBR_STRING", 4, {}, "a"),
            "none": ("DBR_DOUBLE", 4, {}, None),
            "char": ("DBR_BYTE", 1, {}, -5),
            "double.EGU": ("DBR_STRING", 1, {}, "mm"),
            "double.HOPR": ("DBR_DOUBLE", 1, {}, 10),
        }
        for name, (datatype, count, more, value) in expected.items():
            info = yield self.first(client, name)
            pv = self.prefix + name
            expected_info = {"type": "info", "pv": pv, "connected": True, "datatype": datatype}
            self.assertEqual(info, {**expected_info, "count": count, **more})
            update = yield client.receive()
            self.assertEqual(update, {"type": "update", "pv": pv, "value": value})

    @inlineCallbacks
    def test_updates(self) -> Any:
        """Every change is sent until the PV is cleared."""
        ioc, _, client = yield self.start_all(RECORDS)
        yield self.first(client, "long")
        for value in (1, 2):
            yield ioc.query(f'dbpf("{self.prefix}long", "{value}")')
            yield client.until(value=value)
        self.send_request(client, "clear", "long")
        client.send({"type": "ping"})
        yield client.until(type="pong")
        yield ioc.query(f'dbpf("{self.prefix}long", "3")')
        yield ioc.query(f'dbpf("{self.prefix}double", "3")')
        yield self.first(client, "double")
        self.assertNotIn(
            {"type": "update", "pv": f"{self.prefix}long", "value": 3}, client.messages
        )

    @inlineCallbacks
    def test_repeat(self) -> Any:
        """A repeated request is answered again."""
        _, _, client = yield self.start_all(RECORDS)
        received = []
        for _ in range(2):
            info = yield self.first(client, "enum")
            update = yield client.receive()
            received.append((info, update))
        self.assertEqual(received[0], received[1])

    @inlineCallbacks
    def test_labels_changed(self) -> Any:
        """Changed labels are sent."""
        ioc, _, client = yield self.start_all(RECORDS)
        yield self.first(client, "enum")
        yield ioc.query(f'dbpf("{self.prefix}enum.ONST", "Moving")')
        info = yield client.until(lambda received: "Moving" in received.get("enum-labels", ()))
        self.assertEqual(info["type"], "info")

    @inlineCallbacks
    def test_ping(self) -> Any:
        """A ping is answered by a pong."""
        _, _, client = yield self.start_all(RECORDS)
        client.send({"type": "ping"})
        pong = yield client.receive()
        self.assertEqual(pong, {"type": "pong"})

    @inlineCallbacks
    def test_mistakes(self) -> Any:
        """An invalid request is logged, not answered, and affects nobody else."""
        _, fixture, client = yield self.start_all(RECORDS)
        for text in (
            "no JSON",
            "[]",
            "{}",
            '{"type":null}',
            '{"type":"write","pv":"X","value":1}',
            '{"type":"monitor"}',
            '{"type":"monitor","pvs":"X"}',
            '{"type":"monitor","pvs":["", 5, null, {}]}',
        ):
            client.send(text)
        client.send(b"binary")
        info = yield self.first(client, "double")
        self.assertEqual(client.messages, [info])
        counts = fixture.gateway.refusals.counts
        self.assertEqual(counts["epics2web: unknown_action"], 1)

    @inlineCallbacks
    def test_many_names(self) -> Any:
        """A message of 128 KiB is accepted."""
        _, _, client = yield self.start_all(RECORDS)
        names = [f"{self.prefix}{name}" for name in ("double", "long")]
        client.send(json.dumps({"type": "monitor", "pvs": names}).ljust(2**17))
        for name in names:
            yield client.until(pv=name, type="update")

    @inlineCallbacks
    def test_not_found(self) -> Any:
        """A PV that is not found is reported after three seconds, also to later clients."""
        _, fixture, first = yield self.start_all(RECORDS)
        expected_info = {"type": "info", "pv": f"{self.prefix}nowhere", "connected": False}
        for client in (first, (yield fixture.connect(path=self.path))):
            started = reactor.seconds()
            info = yield self.first(client, "nowhere")
            self.assertEqual(info, expected_info)
            self.assertGreaterEqual(reactor.seconds() - started, 3.0)

    @inlineCallbacks
    def test_lost(self) -> Any:
        """A lost PV is reported, and again when it is back."""
        ioc = yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        client = yield fixture.connect(path=self.path)
        before = yield self.first(client, "double")
        yield self.kill_ioc(ioc)
        info = yield client.until(type="info")
        self.assertEqual(info, {"type": "info", "pv": f"{self.prefix}double", "connected": False})
        yield self.start_ioc(RECORDS)
        after = yield client.until(type="info")
        self.assertEqual(after, before)
        update = yield client.receive()
        self.assertEqual(update["value"], 1.5)
