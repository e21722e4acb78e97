"""IOCs that are found without broadcasts, as docs/operations.md describes."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.twistd_case import LOOPBACK, RECORD, TwistdTestCase


class NameServerTests(TwistdTestCase):
    """EPICS_CA_NAME_SERVERS."""

    @inlineCallbacks
    def test_found(self) -> Any:
        """PVs of an IOC are found by TCP only."""
        yield self.start_ioc(RECORD)
        run = self.twistd(
            {
                "EPICS_CA_AUTO_ADDR_LIST": "NO",
                "EPICS_CA_ADDR_LIST": "",
                "EPICS_CA_NAME_SERVERS": f"127.0.0.1:{self.ports.server}",
            }
        )
        ready = yield run.serve("--port", LOOPBACK)
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        yield self.assert_live(client)
