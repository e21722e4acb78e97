"""Fast records: no update is lost while all clients keep up."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import inlineCallbacks

from tests.support.child_process import run
from tests.support.ioc_case import IOCTestCase

RECORDS = """
record(calc, "$(P)fast") { field(SCAN, ".001 second") field(CALC, "VAL+1") }
record(ao, "$(P)slow") { field(VAL, "1.5") field(PINI, "YES") }
"""
CLIENTS = 20
UPDATES = 3_000


class RateTests(IOCTestCase):
    """A record at 1 kHz."""

    @inlineCallbacks
    def test_no_gap(self) -> Any:
        """Twenty clients of a 1 kHz counter get each of its updates for 3 s, in order."""
        yield self.start_ioc(RECORDS)
        fixture = yield self.start_gateway()
        names = [self.prefix + name for name in ("fast", "slow")]
        # With 20 clients in this process, the gateway itself could not keep up on a slow Python.
        output = yield run(
            "tests.support.collector", urlsplit(fixture.url).port, CLIENTS, UPDATES + 1, *names
        )
        lines = output.splitlines()
        self.assertEqual(len(lines), CLIENTS)
        for line in lines:
            # The first may be older than the subscription.
            updates = json.loads(line)[1:]
            values = [update["value"] for update in updates]
            stamps = [update["timestamp"] for update in updates]
            self.assertGreaterEqual(len(values), UPDATES)
            self.assertEqual(values, [values[0] + index for index in range(len(values))])
            self.assertEqual(stamps, sorted(stamps))
            self.assertGreater(stamps[-1] - stamps[0], 0.9 * UPDATES / 1000)
