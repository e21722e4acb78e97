"""TLS: modern versions only, a certificate that is renewed on disk, HSTS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from OpenSSL import SSL
from twisted.internet import ssl
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import SSL4ClientEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.filewatch import FileWatcher
from pycawamp.testing import connect
from pycawamp.web.certificate import tls_endpoint
from tests.support.certificate import CertificateFiles, write_certificate
from tests.support.http_client import HTTPReader, fetch
from tests.support.http_reader import request
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor


class TLSTests(MemoryServiceTestCase):
    """--port ssl:…"""

    def setUp(self) -> None:
        """Make a certificate."""
        super().setUp()
        self.patch(FileWatcher, "interval", 0.05)
        self.patch(FileWatcher, "settle", 0.2)
        self.files = write_certificate(self.folder / "tls")

    def serve_tls(self, *options: str) -> Any:
        """Run a gateway with the certificate."""
        service = self.serve("--port", _description(self.files), *options)
        self.certificate: Any = service.files.certificates[0]
        return service

    def fetch(self, data: bytes = b"", **options: Any) -> Deferred[HTTPReader]:
        """Fires with the certificate of the server, and the response."""
        settings = ssl.CertificateOptions(verify=False, **options)
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", self.port, settings)
        return fetch(endpoint, data, TLSReader)

    @inlineCallbacks
    def open_socket(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Any:
        """Fires with a client that trusts the certificate, with TLS up to a version."""
        trust = ssl.Certificate.loadPEM(self.files.certificate.read_bytes())
        options = {"lowerMaximumSecurityTo": version}
        if version is not ssl.TLSVersion.TLSv1_3:
            options["insecurelyLowerMinimumTo"] = ssl.TLSVersion.TLSv1_2
        settings = ssl.optionsForClientTLS(
            "localhost", trustRoot=trust, extraCertificateOptions=options
        )
        endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", self.port, settings)
        client = yield connect(reactor, f"wss://localhost:{self.port}/monitor", endpoint)
        self.addCleanup(client.abort)
        return client

    @inlineCallbacks
    def test_hsts(self) -> Any:
        """Pages by TLS make the browser use TLS only; others do not."""
        self.serve_tls()
        for path in ("/", "/static/pycaserver.js", "/nowhere"):
            seen = yield self.fetch(request(path, {"Connection": "close"}))
            self.assertIn(b"strict-transport-security: max-age=", seen.data.lower())
        self.serve()
        plain = yield self.get()
        self.assertNotIn("strict-transport-security", plain.headers)

    @inlineCallbacks
    def test_bulk(self) -> Any:
        """Requests that fill many of TLS's records are answered, each and in order."""
        self.serve_tls()
        client = yield self.open_socket()
        numbers = list(range(5000))
        for number in numbers:
            client.send({"action": "ping", "id": number})
        yield client.until(id=numbers[-1])
        self.assertEqual([message["id"] for message in client.messages], numbers)

    @inlineCallbacks
    def test_slow(self) -> Any:
        """A client that reads late gets large and small updates whole and in order, and pongs."""
        self.serve_tls()
        wave = np.random.default_rng(1).random(5_000)
        self.backend.add("wave", wave)
        self.backend.add("counter", 0)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.backend.set("wave", wave)
            self.backend.set("counter", 0)
            client = yield self.open_socket(version)
            for name in ("wave", "counter"):
                client.send(name)
                yield client.until(pvname=name, msg_type="monitor")
            pongs: list[bytes] = []
            client.protocol.onPong = pongs.append
            for count in range(1, 301):
                if count == 101:
                    client.stop_reading()
                elif count == 201:
                    client.resume_reading()
                self.backend.set("wave", np.roll(wave, count))
                self.backend.set("counter", count)
                client.protocol.sendPing(b"%d" % count)
                yield deferLater(reactor, 0, bool)
            self.backend.set("counter", -1)
            yield client.until(pvname="counter", value=-1)
            updates = [m for m in client.messages if m["msg_type"] == "monitor"]
            *counts, _ = [m["value"] for m in updates if m["pvname"] == "counter"]
            self.assertEqual(counts, sorted(counts))
            self.assertGreater(len(counts), 10)
            rolls = [m["value"].index(wave[0]) for m in updates if m["pvname"] == "wave"]
            self.assertEqual(rolls, sorted(rolls))
            # The last update may overtake the last pong.
            client.send({"action": "ping", "id": 1})
            yield client.until(id=1)
            self.assertEqual(pongs, [b"%d" % count for count in range(1, 301)])
            client.abort()

    @inlineCallbacks
    def test_stop_beside_late(self) -> Any:
        """A client that reads only after the gateway has stopped still sees why."""
        service = self.serve_tls()
        client = yield self.open_socket()
        client.stop_reading()
        yield service.stopService()
        client.resume_reading()
        code = yield client.when_closed()
        self.assertEqual(code, 1001)

    @inlineCallbacks
    def test_renewed(self) -> Any:
        """A renewed certificate is used for the next connection; open ones stay."""
        self.serve_tls()
        client = yield self.open_socket()
        before = yield self.fetch(request("/", {"Connection": "close"}))
        write_certificate(self.folder / "tls")
        renewed = yield self.certificate.reload()
        self.assertTrue(renewed)
        after = yield self.fetch(request("/", {"Connection": "close"}))
        self.assertNotEqual(before.serial, after.serial)
        client.send("X")
        monitor = yield client.until(msg_type="monitor")
        self.assertEqual(monitor["value"], 1.5)

    @inlineCallbacks
    def test_half_renewed(self) -> Any:
        """While key and certificate do not match, or one is missing, the old pair is used."""
        self.serve_tls()
        before = yield self.fetch(request("/", {"Connection": "close"}))
        context = self.certificate.getContext()
        other = write_certificate(self.folder / "other")
        pem = self.files.certificate.read_bytes()
        for broken in (other.certificate.read_bytes(), pem[:100], b"", None):
            self.files.certificate.unlink()
            if broken is not None:
                self.files.certificate.write_bytes(broken)
            good = yield self.certificate.reload()
            self.assertFalse(good)
            during = yield self.fetch(request("/", {"Connection": "close"}))
            self.assertEqual(before.serial, during.serial)
            if broken is None:
                self.files.certificate.write_bytes(b"")
        self.files.certificate.write_bytes(other.certificate.read_bytes())
        self.files.key.write_bytes(other.key.read_bytes())
        # A change is seen without a reload too.
        yield until_true(lambda: self.certificate.getContext() is not context)
        after = yield self.fetch(request("/", {"Connection": "close"}))
        self.assertNotEqual(before.serial, after.serial)

    @inlineCallbacks
    def test_versions(self) -> Any:
        """TLS 1.2 and 1.3 are spoken; 1.1 is not."""
        self.serve_tls()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            options = {"insecurelyLowerMinimumTo": version, "lowerMaximumSecurityTo": version}
            if version is ssl.TLSVersion.TLSv1_3:
                options = {"raiseMinimumTo": version}
            seen = yield self.fetch(request("/", {"Connection": "close"}), **options)
            self.assertEqual(seen.answer.status, 200, version)
        old = yield self.fetch(
            insecurelyLowerMinimumTo=ssl.TLSVersion.TLSv1_0,
            lowerMaximumSecurityTo=ssl.TLSVersion.TLSv1_1,
        )
        self.assertEqual(old.data, b"")
        self.assertIsInstance(old.reason, SSL.Error)


class EndpointTests(SynchronousTestCase):
    """Descriptions."""

    def test_refused(self) -> None:
        """A description without a usable key and certificate is refused."""
        files = write_certificate(Path(self.mktemp()))
        other = write_certificate(Path(self.mktemp()))
        for description in (
            "ssl:0",
            "ssl:x:privateKey=k",
            "ssl:0:privateKey=/no/such",
            f"ssl:0:privateKey={files.key}",
            f"ssl:0:privateKey={files.key}:certKey={other.certificate}",
            f"ssl:0:privateKey={files.key}:certKey={files.certificate}:sslmethod=TLSv1_METHOD",
            f"ssl:0:privateKey={files.key}:certKey={files.certificate}:extraCertChain=/no",
        ):
            self.assertRaises(ValueError, tls_endpoint, reactor, description)

    def test_one_file(self) -> None:
        """Key and certificate may be in one file, with intermediate certificates after them."""
        files = write_certificate(Path(self.mktemp()))
        signer = write_certificate(Path(self.mktemp()))
        both = files.key.with_name("both.pem")
        parts = (files.key, files.certificate, signer.certificate)
        both.write_bytes(b"".join(part.read_bytes() for part in parts))
        tls_endpoint(reactor, f"ssl:0:privateKey={both}")


def _description(files: CertificateFiles) -> str:
    return f"ssl:0:interface=127.0.0.1:privateKey={files.key}:certKey={files.certificate}"


class TLSReader(HTTPReader):
    """A client that also records the server's certificate."""

    serial = 0

    def dataReceived(self, data: bytes) -> None:
        """Overrides HTTPReader: record the certificate."""
        super().dataReceived(data)
        certificate = cast(Any, self.transport).getPeerCertificate()
        self.serial = certificate.get_serial_number()
