"""Objects of a request are freed at once, without the garbage collector."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.api_case import API, ApiTestCase
from tests.support.garbage import left_to_the_collector
from tests.support.ioc_case import until_true

OURS = ("pycawamp.web.", "pycawamp.sessions.")


class FreedTests(ApiTestCase):
    """Requests and streams, finished and abandoned."""

    @inlineCallbacks
    def exchange_all(self, gateway: Any) -> Any:
        """Send each kind of request, and disconnect."""
        for method, path in (
            ("GET", "pv/X"),
            ("PUT", "pv/X"),
            ("PUT", "pv/X?timeout=0"),
            ("GET", "pv?name=X&name="),
            ("GET", "pv/X?arrays=none"),
            ("GET", "none"),
        ):
            yield self.call(method, f"{API}/{path}", "2" if method == "PUT" else None)
        for path in ("pv/X/stream", "pv/nowhere"):
            client = yield self.open_stream(f"{API}/{path}")
            yield until_true(lambda: gateway.clients == 1)
            yield client.abort()
            yield until_true(lambda: gateway.clients == 0)

    @inlineCallbacks
    def test_freed(self) -> Any:
        """No object of the gateway is left in a cycle."""
        gateway = self.serve("--allow-put=anyone").gateway
        # What is made once, and kept, is made here.
        yield self.exchange_all(gateway)
        with left_to_the_collector() as left:
            yield self.exchange_all(gateway)
        ours = {name: number for name, number in left.items() if name.startswith(OURS)}
        self.assertEqual(ours, {})
