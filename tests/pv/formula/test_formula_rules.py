"""Rules for formulas in a whole service: users, changed files, and what others can see."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import bcrypt
from twisted.internet.defer import inlineCallbacks

from tests.support.api_case import ApiTestCase
from tests.support.service_case import basic
from tests.support.version2_case import send_request

PVLIST = """EVALUATION ORDER ALLOW, DENY
.* ALLOW
secret ALLOW SECRETS 1
nick ALIAS secret SECRETS 1
"""
ACF = "UAG(ops) {mary} ASG(DEFAULT) {RULE(1,READ)} ASG(SECRETS) {RULE(1,READ) {UAG(ops)}}"
FORMULA = "=X + `nick`"


class RuleTests(ApiTestCase):
    """Mary may read a PV that others may not."""

    def setUp(self) -> None:
        """Make files and PVs."""
        super().setUp()
        self.backend.add("secret", 40.5)
        self.pvlist = self.write("pvlist", PVLIST)

    @inlineCallbacks
    def test_users(self) -> Any:
        """Users who may read all inputs may read the formula; others do not see it."""
        password = bcrypt.hashpw(b"pw", bcrypt.gensalt(5)).decode()
        app = self.serve(
            *("--pvlist", self.pvlist, "--access", self.write("acf", ACF)),
            *("--htpasswd", self.write("htpasswd", f"mary:{password}\n"), "--dialects", "pvws"),
        )
        mary = {"Authorization": basic("mary", "pw")}
        client = yield self.connect(mary)
        client.send({"action": "connect", "pv": FORMULA})
        yield client.until(msg_type="monitor", value=42.0)
        other = yield self.connect()
        reply = yield send_request(other, "get", pv=FORMULA)
        self.assertEqual(reply["code"], "forbidden")
        self.assertEqual(reply["message"], "this gateway does not let you read its input nick")
        other.send({"action": "connect", "pv": FORMULA})
        error = yield other.until(msg_type="error")
        self.assertEqual((error["code"], error["pvname"]), ("forbidden", FORMULA))
        for path, known in (("/pvws/pool", "pv"), ("/names?part=secret", "name")):
            names = []
            for headers in ({}, mary):
                reply = yield self.call("GET", path, **headers)
                received = reply.json
                found = received if isinstance(received, list) else received["names"]
                names.append([each[known] for each in found if "secret" in each[known]])
            self.assertEqual(names[0], [], path)
            self.assertIn("eq://`X`+`secret`", names[1], path)
        self.assertIn("eq://`X`+`secret`", app.gateway.hub.names)
        path = f"/api/v1/pv/{quote(FORMULA, safe='')}"
        for headers, status in (({}, 403), (mary, 200)):
            reply = yield self.call("GET", path, **headers)
            self.assertEqual(reply.status, status)

    @inlineCallbacks
    def test_changed_rules(self) -> Any:
        """A list that forbids an input ends the formula; one that allows it restores it."""
        allowing = "EVALUATION ORDER ALLOW, DENY\nX ALLOW\nsecret ALLOW\nY ALLOW\nnick ALIAS {}\n"
        pvlist = self.write("pvlist", allowing.format("secret"))
        app = self.serve("--pvlist", pvlist)
        self.backend.add("Y", 1.0)
        client = yield self.connect()
        client.send({"action": "connect", "pv": FORMULA, "reason": True})
        yield client.until(msg_type="monitor", value=42.0)

        self.write("pvlist", "X ALLOW\n")
        yield app.files.policy.reload()
        lost = yield client.until(msg_type="connection", conn=False)
        self.assertIn("the access rules do not let you read its input nick", lost["reason"])
        error = yield client.until(msg_type="error")
        self.assertEqual((error["code"], error["pvname"]), ("forbidden", FORMULA))

        self.write("pvlist", allowing.format("Y"))
        yield app.files.policy.reload()
        yield client.until(msg_type="monitor", pvname=FORMULA, value=2.5)
