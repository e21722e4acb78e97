"""The description of the HTTP API, against the live gateway."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, TestCase

from pycawamp.web.openapi import document
from tests.support.api_case import ApiTestCase
from tests.support.service_case import reactor
from tests.support.timing import allowed
from tests.support.twistd import Twistd

RULES = """
# Whether a PV takes a value, and how soon its record is done, no description can say.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 422, 504]
# Many long names do not fit into a header.
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 411, 413, 415, 422, 429, 431]
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 504]
"""


class DescriptionTests(ApiTestCase):
    """The document."""

    @inlineCallbacks
    def test_served(self) -> Any:
        """It is served at a usual path, with relative paths, as needed behind a proxy."""
        self.serve()
        reply = yield self.call("GET", "/openapi.json")
        self.assertEqual((reply.status, reply.json), (200, document()))
        self.assertEqual(reply.json["servers"], [{"url": "api/v1"}])

    @inlineCallbacks
    def test_complete(self) -> Any:
        """Each path has the methods that the gateway allows."""
        self.serve()
        for path, operations in document()["paths"].items():
            where = path.replace("{name}", "X")
            reply = yield self.call("OPTIONS", f"/api/v1{where}")
            in_header = set(reply.headers["allow"].split(", ")) - {"head", "options"}
            self.assertEqual(in_header, set(operations), path)


class SchemathesisTests(TestCase):
    """Requests that match the description, and requests that do not, by schemathesis."""

    timeout = allowed(300)

    @inlineCallbacks
    def test_all(self) -> Any:
        """Every request is answered as described. Streams are excluded: they do not end."""
        beside = Path(sys.executable).with_name("schemathesis")
        program = str(beside) if beside.exists() else shutil.which("schemathesis")
        if program is None:
            raise SkipTest("no schemathesis: pip install schemathesis")
        rules = Path(self.mktemp())
        rules.write_text(RULES)
        run = Twistd(reactor)
        self.addCleanup(run.kill)
        port = "tcp:0:interface=127.0.0.1"
        options = ("--demo", "--allow-put=anyone", "--connect-timeout=0.2")
        ready = yield run.serve(*options, "--port", port)
        arguments = [
            *("--config-file", str(rules), "run", f"{ready[1]}openapi.json"),
            *("--exclude-path-regex", "stream$", "--checks", "all", "--seed", "1"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--no-color"),
        ]
        output, error, status = yield getProcessOutputAndValue(program, arguments, os.environ)
        self.assertEqual(status, 0, (output + error).decode())
        self.assertIn(b"5 selected / 7 total", output)
