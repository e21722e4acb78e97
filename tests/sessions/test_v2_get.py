"""Gets of a real IOC's records."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from pycawamp.config.settings import GatewaySettings
from tests.support.ioc_case import subscription_counts
from tests.support.version2_case import V2TestCase, like, send_request

RECORDS = """
record(ao, "$(P)ao") { field(VAL, "1.5") field(PINI, "YES") field(EGU, "mm") field(PREC, "2") }
record(mbbi, "$(P)mbbi") { field(ZRST, "Off") field(ONST, "On") field(ONSV, "MINOR") }
record(ai, "$(P)quiet") { field(VAL, "1") field(PINI, "YES") field(MDEL, "100") field(ADEL, "100") }
record(waveform, "$(P)array") { field(FTVL, "LONG") field(NELM, "5") }
"""


class GetTests(V2TestCase):
    """Gets from a real IOC."""

    @inlineCallbacks
    def test_value(self) -> Any:
        """A get is answered like a monitor, with its own options and its own id."""
        ioc, _, client = yield self.start_all(RECORDS)
        yield self.dbpf(ioc, "mbbi", "1")
        plain = ["msg_type", "pvname", "value", "count", "timestamp"]
        cases: list[tuple[str, dict[str, Any], list[str], dict[str, Any]]] = [
            ("ao", {}, [*plain, "units", "id"], {"value": 1.5, "units": "mm"}),
            ("ao", {"text": True}, [*plain, "units", "text", "id"], {"text": "1.50"}),
            (
                "mbbi",
                {"text": True, "metadata": True},
                [*plain, "severity", "status", "text", "id"],
                {"text": "On", "severity": "MINOR", "status": "STATE"},
            ),
            ("array", {}, [*plain, "id"], {"value": [], "count": 0}),
            ("array", {"max_rate": 1, "batch": True}, [*plain, "id"], {"value": []}),
        ]
        for name, options, keys, some in cases:
            value = yield self.send_request(client, "get", name, **options)
            self.assertEqual((list(value), value["msg_type"]), (keys, "value"))
            self.assertEqual({key: value[key] for key in some}, some)

    @inlineCallbacks
    def test_reads_from_ioc(self) -> Any:
        """A get has the record's current value, not that of the last update."""
        ioc, _, client = yield self.start_all(RECORDS)
        client.send({"action": "connect", "pv": self.prefix + "quiet"})
        yield client.until(like(msg_type="monitor"))
        yield self.dbpf(ioc, "quiet", "3")
        got = yield self.value(client, "quiet")
        self.assertEqual(got, 3)
        received = [each["value"] for each in client.messages if each["msg_type"] == "monitor"]
        self.assertEqual(received, [1], "the change is below MDEL")

    @inlineCallbacks
    def test_channels(self) -> Any:
        """A get shares a subscription's channel; without one it opens its own and closes it."""
        ioc, fixture, client = yield self.start_all(RECORDS, GatewaySettings(linger=0.3))
        other = yield fixture.connect()
        other.send({"action": "connect", "pv": self.prefix + "ao"})
        yield other.until(like(msg_type="monitor"))
        subscribed = yield subscription_counts(ioc)
        self.assertEqual(list(subscribed), [self.prefix + "ao"])
        for _ in range(3):
            yield self.send_request(client, "get", "ao")
            yield self.send_request(client, "put", "ao", value=2)
            yield self.send_request(client, "info", "ao")
        shared = yield subscription_counts(ioc)
        self.assertEqual(shared, subscribed)
        yield self.send_request(client, "get", "array")
        counts = yield subscription_counts(ioc)
        self.assertEqual(sorted(counts), [self.prefix + "ao", self.prefix + "array"])
        while counts != subscribed:
            yield send_request(client, "ping")
            counts = yield subscription_counts(ioc)
        names = yield send_request(client, "list")
        self.assertEqual(names["pvs"], [], "a get is no subscription")
