"""Which PVs an ingest lets edges read, by its own files, whatever the edges decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks

from harness.cluster import Cluster
from pycawamp.bus.client import ClientSettings, servers
from tests.support.bus_case import BusTestCase

RECORDS = """
    record(ao, "$(P)OPEN") { field(VAL, "1") field(PINI, "YES") }
    record(ao, "$(P)INNER") { field(VAL, "2") field(PINI, "YES") }
"""
ACCESS = """
UAG(inside) {{ {edges} }}
ASG(DEFAULT) {{ RULE(1, READ) }}
ASG(INNER) {{ RULE(1, READ) {{ UAG(inside) }} }}
"""


class ReadingTests(BusTestCase):
    """An ingest, a new process, with a PV list and an access security file."""

    may_fork = False

    @inlineCallbacks
    def test_reading(self) -> Any:
        """An edge gets the PVs that the files let a user of its name read, also after a change."""
        yield self.start_ioc(RECORDS)
        cluster: Cluster = self.cluster()
        cluster.add_nodes(1)
        pvlist, access = cluster.folder / "pvlist", cluster.folder / "access"
        inner, opened = f"{self.prefix}INNER", f"{self.prefix}OPEN"
        pvlist.write_text(f"{inner} ALLOW INNER\n{opened} ALLOW DEFAULT\n")
        self.allow(access, "e1")
        cluster.ingests = [cluster.ingest("A", f"--pvlist={pvlist}", f"--access={access}")]
        yield self.up(*cluster.ingests)
        first = yield self.page_of(ClientSettings(servers(cluster.bus), "e1"))
        second = yield self.page_of(ClientSettings(servers(cluster.bus), "e2"))
        for page in (first, second):
            page.send({"action": "configure", "reason": True})
            page.send({"action": "connect", "pv": opened})
            yield page.until(msg_type="monitor", pvname=opened, value=1)
            page.send({"action": "connect", "pv": inner})
        yield first.until(msg_type="monitor", pvname=inner, value=2)
        refused = yield second.until(msg_type="error", pvname=inner)
        self.assertIn("does not let the edge e2 read it", refused["message"])
        second.send({"action": "get", "pv": inner})
        refused = yield second.until(msg_type="error", pvname=inner)
        self.assertIn("does not let the edge e2 read it", refused["message"])
        self.allow(access, "e2")
        yield second.until(msg_type="monitor", pvname=inner, value=2)
        refused = yield first.until(msg_type="error", pvname=inner)
        self.assertIn("does not let the edge e1 read it", refused["message"])

    def allow(self, access: Path, edges: str) -> None:
        """Let edges read the inner PV."""
        new = access.with_suffix(".new")
        new.write_text(ACCESS.format(edges=edges))
        new.rename(access)
