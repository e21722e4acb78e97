"""Why a PV is not connected, in the Python client and its command line."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.support.client_case import ClientTestCase, Secretive
from tests.support.client_process import run_in_process
from tests.support.watched_stream import Watched


class ReasonTests(ClientTestCase):
    """At a real gateway."""

    @inlineCallbacks
    def test_reason(self) -> Any:
        """The client has the reason while a PV is not connected, and none otherwise."""
        yield self.start(Secretive())
        client = self.client()
        recorders = {name: self.listen(client, name) for name in ("X", "nonesuch", "secret")}
        yield recorders["X"].until("update")
        self.assertIsNone(client.reason("X"))
        self.backend.remove("X")
        for name, words in (
            ("X", "the IOC ioc:5064 was lost at"),
            ("nonesuch", "no IOC has answered"),
            ("secret", "the access rules do not let you read it"),
        ):
            yield recorders[name].until("connection", lambda connected: not connected)
            self.assertIn(words, str(client.reason(name)))
        self.assertIsNone(client.reason("never subscribed to"))

    @inlineCallbacks
    def test_json(self) -> Any:
        """`monitor --json` prints the reason."""
        yield self.start()
        out = Watched()
        running = run_in_process(
            self.url, "monitor", "--json", "--count", "2", "X", "none", out=out
        )
        yield out.until("no IOC has answered")
        self.backend.set("X", 2.0)
        ended = yield running
        messages = [json.loads(line) for line in ended.lines]
        (lost,) = [each for each in messages if each.get("conn") is False]
        self.assertEqual(
            (lost["pvname"], set(lost)), ("none", {"msg_type", "pvname", "conn", "reason"})
        )
