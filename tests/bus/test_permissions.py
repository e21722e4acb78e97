"""contrib/bus/nats.conf: TLS, logins, and what a compromised member of the bus can do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks

from harness.cluster import Cluster, Member
from pycawamp.access import Policy, Writers
from pycawamp.bus import subjects
from pycawamp.bus.client import ClientSettings, NATSClient, Server
from pycawamp.bus.control import Heartbeat
from pycawamp.bus.protocol import Message
from pycawamp.demo.ports import free_port
from tests.support.bus_case import BusTestCase, reactor, until_it
from tests.support.certificate import CertificateFiles, write_certificate

ANYONE = Policy(puts=True, writers=Writers.ANYONE)
CONF = Path(__file__).parents[2] / "contrib" / "bus" / "nats.conf"
USERS = ("A", "B", "e1", "e2")
RECORDS = 'record(ao, "$(P)AO") { field(VAL, "1") field(PINI, "YES") }'


class PermissionTests(BusTestCase):
    """A NATS server with the documented configuration, and an ingest."""

    def configuration(self, folder: Path, files: CertificateFiles, ports: list[int]) -> Path:
        """Return the documented configuration, with the files and ports of this test."""
        text = CONF.read_text()
        for documented, ours in (
            ("0.0.0.0:4222", f"127.0.0.1:{ports[0]}"),
            ("127.0.0.1:8222", f"127.0.0.1:{ports[1]}"),
            ("0.0.0.0:6222", f"127.0.0.1:{ports[2]}"),
        ):
            self.assertEqual(text.count(f'"{documented}"'), 1, documented)
            text = text.replace(documented, ours)
        # There are no other servers here.
        text = re.sub(r"routes: \[[^]]*\]", "routes: []", text)
        text = text.replace("/etc/nats/bus.pem", str(files.certificate))
        text = text.replace("/etc/nats/bus.key", str(files.key))
        text = text.replace("/etc/nats/ca.pem", str(files.certificate))
        path = folder / "nats.conf"
        path.write_text(text)
        return path

    @inlineCallbacks
    def start(self) -> Any:
        """Start the server, and the ingest A."""
        yield self.start_ioc(RECORDS)
        cluster: Cluster = self.cluster()
        folder = cluster.folder.absolute()
        self.files = write_certificate(folder / "tls")
        self.ports_of_bus = [free_port() for _ in range(3)]
        conf = self.configuration(folder, self.files, self.ports_of_bus)
        passwords = {f"NATS_PASSWORD_{user.upper()}": f"secret-{user}" for user in USERS}
        node = Member(
            "bus1",
            [cluster.program, "-c", str(conf)],
            folder / "bus1.log",
            lambda member: "Server is ready" in member.output,
            {**passwords, "NATS_NAME": "bus1"},
            self.ports_of_bus[0],
        )
        cluster.nodes.append(node)
        yield self.up(node)
        login = folder / "login"
        login.write_text("A:secret-A\n")
        options = [
            *(f"--bus=tls://localhost:{node.port}", "--name=A", f"--bus-login={login}"),
            *(f"--bus-ca={self.files.certificate}", "--allow-put=anyone"),
        ]
        ingest = cluster.ingest("A", *options, has_bus=False)
        cluster.ingests.append(ingest)
        yield self.up(ingest)
        return ingest

    def settings(self, user: str, **changes: Any) -> ClientSettings:
        """Return the settings with which a user connects to the bus."""
        server = Server("localhost", self.ports_of_bus[0], is_tls=True)
        authorities = self.files.certificate.read_bytes()
        fields = {"user": user, "password": f"secret-{user}", "authorities": authorities}
        return ClientSettings((server,), user, **{**fields, **changes})

    def client(self, settings: ClientSettings) -> tuple[NATSClient, list[str]]:
        """Return a bare client, and the subjects that it was denied."""
        client = NATSClient(reactor, settings)
        forbidden: list[str] = []
        client.on_forbidden.append(forbidden.append)
        client.startService()
        self.addCleanup(client.stopService)
        return client, forbidden

    @inlineCallbacks
    def test_all(self) -> Any:
        """Edges read and, if allowed, write; nobody can use subjects of others."""
        ingest = yield self.start()
        name = f"{self.prefix}AO"
        inside = yield self.page_of(self.settings("e1"), ANYONE)
        outside = yield self.page_of(self.settings("e2"), ANYONE)
        for page in (inside, outside):
            page.send({"action": "connect", "pv": name})
            monitor = yield page.until(msg_type="monitor", pvname=name)
            self.assertEqual(monitor["value"], 1)
        inside.send({"action": "put", "pv": name, "value": 2})
        yield inside.until(msg_type="put", ok=True)
        monitor = yield outside.until(msg_type="monitor", pvname=name)
        self.assertEqual(monitor["value"], 2)
        outside.send({"action": "put", "pv": name, "value": 3})
        error = yield outside.until(msg_type="error")
        self.assertEqual(error["code"], "forbidden")
        self.assertIn("the bus", error["message"])
        # A compromised edge: messages in the name of others do not arrive.
        broken, forbidden = self.client(self.settings("e2"))
        received: list[Message] = []
        broken.subscribe("pycaserver.data.e1.>", received.append)
        broken.subscribe("pycaserver.>", received.append)
        broken.subscribe("_INBOX.>", received.append)
        yield until_it(lambda: broken.is_open)
        forged = [
            subjects.heartbeat("A"),
            subjects.data("e1", "any"),
            subjects.control("A", "e1"),
            subjects.put("A", "e1"),
            subjects.put("A", "e2"),
            "_INBOX.e1.any.1",
        ]
        for subject in forged:
            broken.publish(subject, Heartbeat(1, 1.0, is_leaving=True).packed())
        yield until_it(lambda: set(forged) <= set(forbidden))
        inside.send({"action": "put", "pv": name, "value": 4})
        yield inside.until(msg_type="put", ok=True)
        monitor = yield outside.until(msg_type="monitor", pvname=name)
        self.assertEqual(monitor["value"], 4)
        self.assertEqual(received, [])
        self.assertNotIn("new=3", ingest.output)
        # A wrong password, or another certificate, is refused.
        stranger, _ = self.client(self.settings("e1", password="guessed"))
        other = write_certificate(Path(self.mktemp()))
        deceived, _ = self.client(self.settings("e1", authorities=other.certificate.read_bytes()))
        log = self.reports_of_bus()
        yield until_it(lambda: log().count("authentication error") >= 1)
        yield until_it(lambda: "TLS handshake error" in log())
        self.assertFalse(stranger.is_open or deceived.is_open)

    def reports_of_bus(self) -> Any:
        """Return the reports of the server."""
        path = Path(self.files.certificate).parents[1] / "bus1.log"
        return path.read_text
