"""Snapshots: values that caches may keep for a second."""

from __future__ import annotations

import gzip
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from pycawamp.demo.ports import free_port
from tests.support.api_case import ApiTestCase
from tests.support.ioc_case import until_true
from tests.support.service_case import reactor
from tests.support.twistd import Twistd, listens

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONF = Path(__file__).parents[2] / "contrib" / "nginx-snapshot.conf"


@frozen
class Fetched:
    """A response, with a body of bytes."""

    headers: dict[str, str]
    body: bytes


def fetch(port: int, path: str, **headers: str) -> Deferred[Fetched]:
    """Fires with the response to a GET; `_` in a header's name is `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def get() -> Fetched:
        with_headers = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=named)
        with urllib.request.urlopen(with_headers, timeout=20) as answer:
            return Fetched({k.lower(): v for k, v in answer.headers.items()}, answer.read())

    return deferToThread(get)


class SnapshotTests(ApiTestCase):
    """`/api/v1/snapshot`."""

    @inlineCallbacks
    def test_values(self) -> Any:
        """It is the response of `/api/v1/pv?name=`, cacheable unless it is an error."""
        self.serve("--connect-timeout=0.1")
        query = "?name=X&name=nowhere&text=1"
        snapshot = yield self.call("GET", f"/api/v1/snapshot{query}")
        values = yield self.call("GET", f"/api/v1/pv{query}")
        self.assertEqual(snapshot.json, values.json)
        self.assertEqual(snapshot.headers["cache-control"], "public, max-age=1")
        self.assertEqual(values.headers["cache-control"], "no-store")
        wrong = yield self.call("GET", "/api/v1/snapshot?name=X&colour=red")
        self.assertEqual((wrong.status, wrong.headers["cache-control"]), (400, "no-store"))

    @inlineCallbacks
    def test_compressed(self) -> Any:
        """It is compressed for clients that accept that, unless it is short."""
        self.serve()
        names = "&".join(["name=X"] * 50)
        plain = yield fetch(self.port, f"/api/v1/snapshot?{names}")
        packed = yield fetch(self.port, f"/api/v1/snapshot?{names}", Accept_Encoding="gzip")
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertIn("Accept-Encoding", packed.headers["vary"])
        self.assertLess(len(packed.body), len(plain.body) / 10)
        self.assertEqual(len(json.loads(gzip.decompress(packed.body))), 50)
        short = yield fetch(self.port, "/api/v1/snapshot?name=X", Accept_Encoding="gzip")
        self.assertNotIn("content-encoding", short.headers)

    @inlineCallbacks
    def test_private(self) -> Any:
        """A response that depends on the client's login or address is not for shared caches."""
        access = "UAG(all) {ann} ASG(DEFAULT) { RULE(0, READ) { UAG(all) } }\n"
        self.serve(f"--access={self.write('access.acf', access)}")
        reply = yield self.call("GET", "/api/v1/snapshot?name=X")
        self.assertEqual(reply.headers["cache-control"], "private, max-age=1")

    @inlineCallbacks
    def test_cache(self) -> Any:
        """With contrib/nginx-snapshot.conf, one request to the gateway serves very many readers."""
        if NGINX is None:
            raise SkipTest("no nginx: apt-get install nginx-light")
        service = self.serve()
        front = free_port()
        nginx = Twistd(reactor)
        self.addCleanup(nginx.kill)
        nginx.run([NGINX, "-e", "stderr", "-c", self.configuration(front)])
        yield until_true(lambda: listens(front))
        path = "/api/v1/snapshot?name=X"
        replies = yield gatherResults([fetch(front, path) for _ in range(20)])
        self.assertEqual({json.loads(reply.body)[0]["value"] for reply in replies}, {1.5})
        states = [reply.headers["x-cache"] for reply in replies]
        self.assertGreater(states.count("HIT"), 10)
        self.backend.set("X", 2.5)

        @inlineCallbacks
        def is_new() -> Any:
            reply = yield fetch(front, path)
            return json.loads(reply.body)[0]["value"] == 2.5

        while not (yield is_new()):
            pass
        self.assertTrue(service.running)

    def configuration(self, front: int) -> str:
        """The documented configuration, with the ports of this test."""
        text = CONF.read_text()
        for documented, ours in (
            ("listen 8081;", f"listen 127.0.0.1:{front};"),
            ("127.0.0.1:8888", f"127.0.0.1:{self.port}"),
            ("/var/cache/nginx/snapshots", str(self.folder / "snapshots")),
        ):
            self.assertEqual(text.count(documented), 1, documented)
            text = text.replace(documented, ours)
        directories = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return self.write(
            "nginx.conf",
            f"daemon off;\nmaster_process off;\npid {self.folder}/pid;\nerror_log stderr;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{directories}{text}}}\n",
        )
