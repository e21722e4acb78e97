"""The echo server of the conformance suite (tests.conformance, run by hand) works."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.trial.unittest import TestCase

from pycawamp.testing import connect
from tests.conformance.echo import echo_site


class EchoTests(TestCase):
    """The echo server."""

    @inlineCallbacks
    def test_echo(self) -> Any:
        """It sends back what it receives, text and binary, and closes when requested."""
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: Any = yield endpoint.listen(echo_site(reactor, 2**20))
        self.addCleanup(port.stopListening)
        client = yield connect(reactor, f"ws://127.0.0.1:{port.getHost().port}/monitor")
        self.addCleanup(client.abort)
        for message in ('"text"', b"bytes", '"%s"' % ("long" * 10_000)):
            client.send(message)
            yield client.receive()
            sent = message if isinstance(message, bytes) else message.encode()
            self.assertEqual(client.payloads[-1], sent)
        code = yield client.close()
        self.assertEqual(code, 1000)
