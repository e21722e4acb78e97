"""The requests of a browser until it shows a value, and the responses."""

from __future__ import annotations

import gzip
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.web.modules import Bundle, ModuleError
from pycawamp.web.response import accepts_gzip
from pycawamp.web.site import ENTRIES, STATIC
from tests.support.console_case import ServiceTestCase, WebTestCase, in_thread
from tests.support.media_types import TYPES

reactor = cast(Any, installed_reactor)
RECORDS = 'record(ao, "$(P)level") { field(VAL, "1.25") field(PINI, "YES") field(PREC, "2") }'
BYTES = """
const parts = ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind));
return parts.reduce((sum, part) => sum + part.transferSize, 0);
"""
MAX_REQUESTS = 8
"""Page, style sheet, icon (twice), two modules, configuration and WebSocket."""
MAX_BYTES = 100_000


class FirstLoadTests(WebTestCase):
    """The console, in a browser with an empty cache."""

    RECORDS: ClassVar[str] = RECORDS

    def until_shown(self) -> None:
        """Wait for the value."""
        self.browser.until_row(self.pv("level"), lambda row: row.value == "1.25")

    @in_thread
    def test_requests(self) -> None:
        """A first load is a handful of requests, and compressed."""
        self.browser.command("Network.clearBrowserCache")
        browser = self.open("level")
        self.until_shown()
        urls = browser.take_log().requests
        self.assertIn(f"{self.origin}/static/console/main.js", urls)
        self.assertLessEqual(len(urls), MAX_REQUESTS, urls)
        size = browser.run(BYTES)
        self.assertGreater(size, 20_000)
        self.assertLess(size, MAX_BYTES)

    @in_thread
    def test_again(self) -> None:
        """A later load gets 304 for each file."""
        browser = self.open("level")
        self.until_shown()
        browser.driver.refresh()
        self.until_shown()
        self.assertLess(browser.run(BYTES), 5_000)

    @in_thread
    def test_prefix(self) -> None:
        """The page works below a path that a proxy removes, and requests nothing else."""
        self.serve()
        listening = self.wait(self.proxy)
        where = f"127.0.0.1:{listening.getHost().port}"
        self.allowed_hosts = {where}
        self.browser.open(f"http://{where}{PREFIX}?pv={self.pv('level')}")
        self.until_shown()
        urls = self.browser.take_log().requests
        outside = [url for url in urls if not urlsplit(url).path.startswith(PREFIX)]
        self.assertEqual(outside, [])
        self.assertLessEqual(len(urls), MAX_REQUESTS, urls)

    @inlineCallbacks
    def proxy(self) -> Generator[Deferred[Any], Any, Any]:
        """Listen where the gateway is available below `PREFIX`."""
        factory = ProxyFactory("127.0.0.1", int(self.origin.rpartition(":")[2]))
        factory.protocol = _PrefixServer
        factory.noisy = False
        listening = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(listening.stopListening)
        return listening


class CompressionTests(ServiceTestCase):
    """Content-Encoding, as HTTP clients see it."""

    @in_thread
    def test_compressed(self) -> None:
        """Clients that accept gzip get it where it reduces the size, with its own tag."""
        compressed = 0
        for path in TYPES:
            plain = self.fetch(f"/{path}", accept_encoding="identity")
            zipped = self.fetch(f"/{path}", accept_encoding="gzip, deflate, br")
            self.assertNotIn("content-encoding", plain.headers)
            self.assertEqual(zipped.headers.get("vary"), plain.headers.get("vary"), path)
            if "content-encoding" not in zipped.headers:
                self.assertLess(len(zipped.body), 500, path)
                continue
            compressed += 1
            self.assertEqual(zipped.headers["content-encoding"], "gzip")
            self.assertEqual(zipped.headers["vary"], "accept-encoding")
            self.assertEqual(gzip.decompress(zipped.body), plain.body)
            self.assertLess(len(zipped.body), len(plain.body))
            self.assertEqual(int(zipped.headers["content-length"]), len(zipped.body))
            self.assertNotEqual(zipped.headers["etag"], plain.headers["etag"])
        self.assertGreaterEqual(compressed, 3)

    @in_thread
    def test_unchanged(self) -> None:
        """Each form has its tag: 304 for that one, everything of the other."""
        path = "/static/console.css"
        tags = {
            encoding: self.fetch(path, accept_encoding=encoding).headers["etag"]
            for encoding in ("gzip", "identity")
        }
        for encoding, tag in tags.items():
            for urls in tags:
                reply = self.fetch(path, accept_encoding=urls, if_none_match=tag)
                self.assertEqual(reply.status, 304 if urls == encoding else 200)
                self.assertEqual(reply.headers["vary"], "accept-encoding")
                self.assertEqual(reply.body == b"", urls == encoding)
                whole, head = (
                    self.fetch(path, method, accept_encoding=urls) for method in ("GET", "HEAD")
                )
                self.assertEqual(head.headers["content-length"], str(len(whole.body)))
                self.assertEqual(head.headers["etag"], whole.headers["etag"])

    def test_accepted(self) -> None:
        """Weights and stars are supported."""
        for values, accepted in [
            ([], False),
            ([""], False),
            (["gzip"], True),
            (["GZIP"], True),
            (["br, gzip;q=0.5"], True),
            (["br", "gzip"], True),
            (["gzip;q=0"], False),
            (["gzip; q=0.000"], False),
            (["gzip;q=0.001"], True),
            (["*"], True),
            (["*;q=0"], False),
            (["*, gzip;q=0"], False),
            (["*;q=0, gzip"], True),
            (["identity, xgzip"], False),
        ]:
            self.assertEqual(accepts_gzip(values), accepted, values)


class BundleTests(SynchronousTestCase):
    """Modules that are joined."""

    def bundle(self, **modules: str) -> str:
        """Return the module `a` joined with its imports, except for `other`."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for name, text in modules.items():
            (folder / f"{name}.js").write_text(text)
        return Bundle(folder, "a.js", ["a.js", "other.js"]).text

    def test_entries(self) -> None:
        """An entry imports other entries only, so that their exports are the same for all."""
        for entry in ENTRIES:
            text = Bundle(STATIC, entry, ENTRIES).text
            found = re.findall(r"""^(?:import|export)\b.* from ["'](.*)["'];""", text, re.MULTILINE)
            targets = [(STATIC / entry).parent.joinpath(each).resolve() for each in found]
            self.assertLessEqual(set(targets), {(STATIC / each).resolve() for each in ENTRIES})

    def test_order(self) -> None:
        """Imported modules come first and once, however many import them."""
        text = self.bundle(
            a='import { b as x } from "./b.js";\nimport { c } from "./c.js";\nx(c);\n',
            b='import { c } from "./c.js";\nexport const b = (n) => n + c;\n',
            c="export const c = 1;\n",
        )
        self.assertEqual(text.count("const c = 1"), 1)
        self.assertLess(text.index("const c = 1"), text.index("const b ="))
        self.assertIn("const { b: x } = $b;", text)
        self.assertNotIn("import", text)

    def test_exports(self) -> None:
        """Only the entry's exports are exported, by the names that it gives."""
        text = self.bundle(
            a='export { b as x } from "./b.js";\nexport class A {}\n',
            b='export { c as b } from "./c.js";\nexport { o } from "./other.js";\n',
            c="export async function c() {}\n",
        )
        exports = re.findall(r"^export .*", text, re.MULTILINE)
        self.assertEqual(exports, ["export const { b: x } = $b;", "export class A {}"])
        self.assertIn("return { b, o };", text)
        self.assertTrue(text.startswith('import * as $other from "./other.js";\n'))

    def test_comments(self) -> None:
        """Comment lines are removed, and nothing else."""
        code = 'const url = "http://x"; // 1\n/** @type {2} */ const two = `/* 2 */`;\n'
        comments = "/** One.\n * @type {number}\n */\n  // Two.\n", "    /** Three. */\n"
        self.assertEqual(self.bundle(a=comments[0] + code + comments[1] + code), code + code)

    def test_refused(self) -> None:
        """An unsupported form is an error that names the module."""
        for text in (
            'import "./b.js";',
            'import b from "./b.js";',
            'import * as b from "./b.js";',
            'export * from "./b.js";',
            "export default 1;",
            "export let n = 1;",
            'import { b } from "elsewhere";',
            'import { b } from "./missing.js";',
            'import { b } from "./circle.js";',
        ):
            circle = 'import { a } from "./a.js";\n'
            error = self.assertRaises(ModuleError, self.bundle, a=text, b="", circle=circle)
            if "circle" not in text:
                self.assertIn("a.js", str(error))


PREFIX = "/gateway/1/"


class _PrefixServer(ProxyServer):
    """Removes the prefix from the path of each request."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data.replace(b"GET " + PREFIX.encode(), b"GET /", 1))  # type: ignore[no-untyped-call]
