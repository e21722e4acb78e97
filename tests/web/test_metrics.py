"""/metrics: its content, access to it, and its cost."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from twisted.internet.defer import inlineCallbacks

from pycawamp.web.metrics import Metrics
from tests.support.api_case import ApiTestCase
from tests.support.ioc_case import until_true
from tests.support.memory_gateway import Listener
from tests.support.scrape import values
from tests.support.service_case import reactor
from tests.support.timing import allowed

CHANNELS = 10_000


class MetricsTests(ApiTestCase):
    """A gateway over in-memory PVs."""

    @inlineCallbacks
    def scrape(self, **headers: str) -> Any:
        """Fires with the values of a scrape."""
        reply = yield self.call("GET", "/metrics", **headers)
        self.assertEqual(reply.status, 200)
        return values(reply.body)

    @inlineCallbacks
    def test_values(self) -> Any:
        """Clients, channels, messages, puts, errors and refusals are counted."""
        self.serve("--allow-put=anyone", "--max-clients", "2")
        before = yield self.scrape()
        self.assertEqual(before["pycaserver_channels"][("connected",)], 0)
        client = yield self.connect()
        stream = yield self.open_stream("/api/v1/pv/nowhere/stream")
        yield until_true(lambda: bool(stream.head))
        client.send("X")
        yield client.until(msg_type="monitor")
        for number in range(5):
            self.backend.set("X", float(number))
            yield client.until(value=float(number))
        for value, answer in ((7, "put"), ("seven", "error")):
            client.send({"action": "put", "pv": "X", "value": value})
            yield client.until(msg_type=answer)
        yield self.assertFailure(self.connect(), ConnectionError)
        found = yield self.scrape()
        clients = found["pycaserver_clients"]
        self.assertEqual((clients[("websocket",)], clients[("sse",)]), (1, 1))
        self.assertEqual(found["pycaserver_subscriptions"][()], 2)
        channels = found["pycaserver_channels"]
        self.assertEqual((channels[("connected",)], channels[("searching",)]), (1, 1))
        self.assertGreaterEqual(found["pycaserver_messages_total"][()], 5)
        self.assertGreater(found["pycaserver_sent_bytes_total"][()], 500)
        self.assertGreater(found["pycaserver_received_bytes_total"][()], 500)
        self.assertGreaterEqual(found["pycaserver_update_delay_seconds_count"][()], 1)
        self.assertLess(
            found["pycaserver_update_delay_seconds_sum"][()],
            allowed(1) * found["pycaserver_update_delay_seconds_count"][()],
        )
        self.assertEqual(found["pycaserver_puts_total"], {("ok",): 1, ("bad_value",): 1})
        self.assertEqual(found["pycaserver_errors_total"], {("bad_value",): 1})
        self.assertEqual(sum(found["pycaserver_refusals_total"].values()), 1)
        self.assertGreater(found["process_resident_memory_bytes"][()], 0)
        self.assertIn("pycaserver_info", found)

    @inlineCallbacks
    def test_lag(self) -> Any:
        """A blocked event loop is visible in the histogram of its lag."""
        self.serve()
        yield until_true_async(self, lambda found: count_above(found, 0.0) >= 1)
        time.sleep(1.3)
        yield until_true_async(self, lambda found: count_above(found, 0.25) >= 1)

    @inlineCallbacks
    def test_formats(self) -> Any:
        """A scraper gets OpenMetrics if it requests it, and the classic text otherwise."""
        self.serve()
        reply = yield self.call("GET", "/metrics")
        self.assertTrue(reply.headers["content-type"].startswith("text/plain"))
        accept = "application/openmetrics-text; version=1.0.0"
        reply = yield self.call("GET", "/metrics", Accept=accept)
        self.assertTrue(reply.headers["content-type"].startswith("application/openmetrics-text"))
        self.assertTrue(reply.body.endswith("# EOF\n"))

    @inlineCallbacks
    def test_cost(self) -> Any:
        """With 10,000 channels, a scrape takes little time of the event loop."""
        for number in range(CHANNELS):
            self.backend.add(f"n{number}", float(number))
        service = self.serve()
        listener = Listener()
        for number in range(CHANNELS):
            service.gateway.hub.subscribe(f"n{number}", listener)
        found = yield self.scrape()
        self.assertEqual(found["pycaserver_channels"][("connected",)], CHANNELS)
        # What the page makes, without the sockets: the client's are in this process too.
        metrics = Metrics(reactor, partial(service.statistics, each_channel=False))
        times = []
        for _ in range(5):
            started = time.process_time()
            metrics.text("")
            times.append(time.process_time() - started)
        self.assertLess(np.median(times), allowed(0.020))

    @inlineCallbacks
    def test_readers(self) -> Any:
        """By default only this machine may read it, and no client of a proxy on it."""
        for options, headers, status in (
            ((), {}, 200),
            ((), {"X_Forwarded_For": "192.0.2.7"}, 403),
            (("--trust-proxy=127.0.0.1",), {"X_Forwarded_For": "192.0.2.7"}, 403),
            (("--status=nobody",), {}, 403),
            (("--status=anyone",), {"X_Forwarded_For": "192.0.2.7"}, 200),
            (("--status=logged-in",), {}, 403),
            (
                ("--status=logged-in", "--trust-proxy=127.0.0.1", "--user-header=X-User"),
                {"X_User": "mary"},
                200,
            ),
            (("--allow-put=anyone",), {"Origin": "https://elsewhere.example"}, 403),
            # A page whose own host name points to this machine.
            ((), {"Host": "elsewhere.example"}, 403),
            ((), {"Origin": "https://elsewhere.example"}, 403),
            (("--allow-host=gateway.example",), {"Host": "gateway.example"}, 200),
        ):
            service = self.serve(*options)
            reply = yield self.call("GET", "/metrics", **headers)
            self.assertEqual(reply.status, status, (options, headers))
            yield service.stopService()


def count_above(found: dict[str, dict[tuple[str, ...], float]], seconds: float) -> float:
    """Return how many lags were larger than a bound that is a bucket's, or 0."""
    buckets = {
        float(labels[0]): value
        for labels, value in found["pycaserver_event_loop_lag_seconds_bucket"].items()
    }
    return buckets[float("inf")] - buckets.get(seconds, 0)


@inlineCallbacks
def until_true_async(case: MetricsTests, condition: Any) -> Any:
    """Fires when a scrape meets a condition."""
    while True:
        found = yield case.scrape()
        if condition(found):
            return
