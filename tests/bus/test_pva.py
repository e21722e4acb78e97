"""pvAccess PVs over the bus: many labels, and names with every character."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from harness.cluster import Cluster
from harness.pva import PVAServer
from pycawamp.access import Policy, Writers
from pycawamp.demo.ports import PVAPorts
from tests.support.bus_case import BusTestCase

ANYONE = Policy(puts=True, writers=Writers.ANYONE)
PRINTABLE = "".join(chr(code) for code in range(33, 127))
NAMES = (PRINTABLE, f"a b {PRINTABLE[::-1]}", "ö.>.*.☃", "_INBOX.>", "*")
LABELS = [f"label {number} ä" for number in range(1000)]


class PVAOverBusTests(BusTestCase):
    """An ingest with a p4p server."""

    @inlineCallbacks
    def test_as_one_process(self) -> Any:
        """A thousand labels, and names that are not valid NATS subjects, arrive unchanged."""
        ports = PVAPorts.free()
        server: PVAServer = yield deferToThread(PVAServer, ports, "shared")
        self.addCleanup(server.kill)
        for number, name in enumerate(NAMES):
            yield server.run(f'add({name!r}, nt.NTScalar("d"), {number})')
        yield server.run(f'add("labels", nt.NTEnum(), {{"index": 999, "choices": {LABELS!r}}})')
        cluster: Cluster = self.cluster(ports.client_environment())
        cluster.add_nodes(1)
        cluster.ingests = [cluster.ingest("A", "--allow-put=anyone")]
        yield self.up(*cluster.ingests)
        page = yield self.page(cluster, ANYONE)
        page.send({"action": "configure", "metadata": True, "text": True})
        page.send({"action": "connect", "pv": "pva://labels"})
        described = yield page.until(msg_type="metadata")
        self.assertEqual(described["enum_strs"], LABELS)
        shown = yield page.until(msg_type="monitor")
        self.assertEqual((shown["value"], shown["text"]), (999, LABELS[999]))
        for number, name in enumerate(NAMES):
            pv = f"pva://{name}"
            page.send({"action": "connect", "pv": pv})
            yield page.until(msg_type="monitor", pvname=pv, value=number)
            page.send({"action": "put", "pv": pv, "value": number + 100})
            yield page.until(msg_type="monitor", pvname=pv, value=number + 100)
            page.send({"action": "get", "pv": pv})
            yield page.until(msg_type="value", pvname=pv, value=number + 100)
