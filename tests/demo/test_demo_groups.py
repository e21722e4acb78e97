"""The demo's PVs of pvAccess: an image, a table and a structure, on a real IOC."""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.interfaces import IReactorProcess

from pycawamp.demo.process import DemoIOC
from pycawamp.demo.records import GROUPS
from pycawamp.pv.values import FieldType, Image
from tests.support.pva_case import PVATestCase, RecordingSink

reactor = cast(IReactorProcess, installed_reactor)


class GroupTests(PVATestCase):
    """The demo IOC, by the gateway's own client."""

    @inlineCallbacks
    def test_as_listed(self) -> Any:
        """Each PV exists, has the described type, and changes."""
        service = DemoIOC(reactor, pva_ports=self.ports)
        self.addCleanup(service.stopService)
        service.startService()
        ioc = yield service.when_up()
        lines = [line for line in ioc.output if "not achievable" not in line]
        self.assertNotRegex("\n".join(lines), "(?i)error|warning")
        backend = self.start_backend()
        sinks = {name: RecordingSink() for name in GROUPS}
        for name, sink in sinks.items():
            backend.open(re.sub("^pva://", "", name), sink)
        image, table, beam = sinks.values()
        first = yield image.until("reading", lambda reading: reading.value.pixels.size)
        second = yield image.until("reading", lambda reading: reading[2:4] != first[2:4])
        self._check_image(image.described.type, first.value, second.value)
        yield self._check_table(table)
        reading = yield beam.until("reading")
        self.assertIs(beam.described.type, FieldType.STRUCTURE)
        self.assertEqual(reading.value["energy"], {"units": "GeV", "value": 3.0})
        self.assertEqual(reading.value["optics"]["tunes"].tolist(), [22.21, 11.28])
        current = reading.value["current"]["value"]
        yield beam.until("reading", lambda reading: reading.value["current"]["value"] != current)

    def _check_image(self, kind: FieldType, one: Image, other: Image) -> None:
        self.assertIs(kind, FieldType.IMAGE)
        self.assertEqual((one.pixels.shape, one.pixels.dtype.str), ((120, 160), "<u2"))
        self.assertGreater(one.pixels.max(), 2500)
        self.assertLess(np.median(one.pixels), 200)
        self.assertFalse(np.array_equal(one.pixels, other.pixels))

    @inlineCallbacks
    def _check_table(self, sink: RecordingSink) -> Any:
        reading = yield sink.until("reading", lambda each: len(each.value["columns"]["y"]))
        self.assertIs(sink.described.type, FieldType.TABLE)
        table = reading.value
        self.assertEqual(table["labels"], ["Monitor", "x (mm)", "y (mm)", "In use"])
        self.assertEqual(
            {name: len(column) for name, column in table["columns"].items()},
            dict.fromkeys(["monitor", "x", "y", "used"], 6),
        )
        x = table["columns"]["x"].tolist()
        yield sink.until("reading", lambda after: after.value["columns"]["x"].tolist() != x)
