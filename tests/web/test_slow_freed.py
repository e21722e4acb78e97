"""Slow clients that disconnect: their unread data is freed."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
from twisted.internet import ssl
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.task import deferLater

from pycawamp.testing import connect
from pycawamp.web.transport import HIGH_WATER, ClientTransport
from tests.support.certificate import write_certificate
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor


def unsent() -> list[int]:
    """Return the unsent bytes of all existing sockets of clients, including closed ones."""
    # By type(): isinstance() fails for weak proxies of freed objects.
    found = (each for each in gc.get_objects() if type(each) is ClientTransport)
    return [each.backlog for each in found]


class SlowFreedTests(MemoryServiceTestCase):
    """A client that reads nothing, then disconnects."""

    @inlineCallbacks
    def check(self, url: str, endpoint: Any = None) -> Any:
        """Check the unsent bytes, before the slow client would be checked."""
        wave = np.random.default_rng(1).random(50_000)
        self.backend.add("wave", wave)
        client = yield connect(reactor, url, endpoint)
        client.send("wave")
        yield client.until(msg_type="monitor")
        client.stop_reading()
        for count in range(1000):
            self.backend.set("wave", np.roll(wave, count))
            yield deferLater(reactor, 0)
            if max(unsent()) > HIGH_WATER:
                break
        self.assertGreater(max(unsent()), HIGH_WATER)
        client.abort()
        yield until_true(lambda: not any(unsent()))

    def test_plain(self) -> Any:
        """By TCP."""
        self.serve()
        return self.check(f"ws://127.0.0.1:{self.port}/monitor")

    def test_tls(self) -> Any:
        """By TLS."""
        files = write_certificate(self.folder / "tls")
        self.serve("--port", f"ssl:0:privateKey={files.key}:certKey={files.certificate}")
        settings = ssl.CertificateOptions(verify=False)
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", self.port, settings)
        return self.check(f"wss://localhost:{self.port}/monitor", endpoint)
