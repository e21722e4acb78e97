"""What the gateway serves over HTTP: the page, its parts, the library, the configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from pycawamp.web.site import ENTRIES, STATIC
from tests.support.console_case import Reply, ServiceTestCase, in_thread
from tests.support.media_types import TYPES

ROOT = Path(__file__).parents[2]
PARTS = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
IMPORT = re.compile(r"""(?:^|\n)\s*(?:import|export)\b[^;"']*?["']([^"']+)["']""")
REFERENCE = re.compile(r"""(?:src|href)="([^"]+)\"""")


class SiteTests(ServiceTestCase):
    """The gateway as HTTP clients see it."""

    @in_thread
    def test_types(self) -> None:
        """Each kind of file has its media type, which browsers are told not to guess."""
        for path, expected in TYPES.items():
            reply = self.fetch(f"/{path}")
            self.assertEqual((reply.status, reply.headers["content-type"]), (200, expected), path)
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff", path)

    @in_thread
    def test_monitor_is_no_page(self) -> None:
        """A plain HTTP request to /monitor gets an error, and is not redirected."""
        for query in ("", "?redirect=https://elsewhere.example/&after=1", "?redirect=x%0d%0a:"):
            reply = self.fetch(f"/monitor{query}")
            self.assertEqual(reply.status, 426)
            self.assertNotIn("location", reply.headers)
            self.assertNotIn(b"elsewhere", reply.body)

    @in_thread
    def test_policy(self) -> None:
        """Every response forbids scripts, styles and connections elsewhere, and inline ones."""
        for path in TYPES:
            policy = self.fetch(f"/{path}").headers["content-security-policy"]
            rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
            self.assertEqual(rules["default-src"], "'none'")
            self.assertEqual(rules["script-src"], "'self'")
            self.assertNotIn("unsafe", policy)

    @in_thread
    def test_unchanged(self) -> None:
        """With the current tag, the response is 304 without a body; otherwise the file."""
        for path in TYPES:
            first = self.fetch(f"/{path}")
            self.assertEqual(first.headers["cache-control"], "no-cache")
            tag = first.headers["etag"]
            again = self.fetch(f"/{path}", if_none_match=tag)
            self.assertEqual((again.status, again.body), (304, b""), path)
            self.assertEqual(again.headers["etag"], tag)
            other = self.fetch(f"/{path}", if_none_match='"other"')
            self.assertEqual((other.status, other.body), (200, first.body), path)

    @in_thread
    def test_head(self) -> None:
        """HEAD gets the same headers, no body, and no error in the log."""
        logged: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            logged.append(str(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for path in TYPES:
            whole, head = self.fetch(f"/{path}"), self.fetch(f"/{path}", "HEAD")
            self.assertEqual((head.status, head.body), (200, b""), path)
            for name in ("content-type", "content-length", "etag", "content-security-policy"):
                self.assertEqual(head.headers[name], whole.headers[name], path)
        self.assertEqual([text for text in logged if "message body" in text], [])

    @in_thread
    def test_all_parts(self) -> None:
        """Every file beside the page is served unchanged, except for entries, which are joined."""
        for part in sorted(set(PARTS) - set(ENTRIES)):
            if Path(part).suffix in {".css", ".html", ".js", ".svg", ".ts"}:
                reply = self.fetch(f"/static/{part}")
                self.assertEqual((reply.status, reply.body), (200, (STATIC / part).read_bytes()))

    @in_thread
    def test_references(self) -> None:
        """Everything that the page and its modules refer to exists on this gateway."""
        seen: set[str] = set()
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            reply = self.fetch(path)
            self.assertEqual(reply.status, 200, path)
            for reference in references(reply):
                target = urljoin(path, reference)
                self.assertEqual(urlsplit(target).netloc, "", f"{path} refers to {target}")
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        self.assertIn("/static/console/main.js", seen)
        self.assertIn("/static/pycaserver.js", seen)

    @in_thread
    def test_absent(self) -> None:
        """Missing files are 404, and folders are not listed."""
        for path in (
            "/absent",
            "/static/absent.js",
            "/static/console/x/y",
            "/static/pycaserver.js/more",
            "/config.json/",
            "/index.html",
        ):
            self.assertEqual(self.fetch(path).status, 404, path)
        for path in ("/static", "/static/", "/static/console", "/static/console/"):
            reply = self.fetch(path)
            self.assertIn(reply.status, {404, 405}, path)
            self.assertNotIn(b"main.js", reply.body)

    @in_thread
    def test_traversal(self) -> None:
        """No path leads out of the folder of static files."""
        for up in ("..", "%2e%2e", "%2E%2E%2F..", "..%2f..", "..%5c..", "....//", ".%00."):
            for name in ("site.py", "web/site.py", "setup.cfg", "etc/passwd"):
                for path in (f"/static/{up}/{name}", f"/static/client/{up}/{up}/{name}"):
                    reply = self.fetch(path)
                    self.assertEqual(reply.status, 404, path)
                    self.assertNotIn(b"twisted", reply.body.lower())

    @in_thread
    def test_other_methods(self) -> None:
        """Nothing can be changed."""
        for method in ("POST", "PUT", "DELETE"):
            self.assertTrue(
                self.fetch("/static/pycaserver.js", method).status in {405, 501}, method
            )

    @in_thread
    def test_configuration(self) -> None:
        """The configuration has whether puts are on, and the demo only if there is one."""
        configuration = json.loads(self.fetch("/config.json").body)
        self.assertEqual((configuration["puts"], configuration["demo"]), (False, []))
        self.stop_gateway()
        self.serve("--demo", "--allow-put=anyone")
        configuration = json.loads(self.fetch("/config.json").body)
        self.assertTrue(configuration["puts"])
        self.assertIn("demo:sine", dict(configuration["demo"]))


def references(reply: Reply) -> Iterator[str]:
    """Return the references in the text of a page or a module."""
    text = reply.body.decode()
    kind = reply.headers["content-type"]
    if kind.startswith("text/html"):
        yield from REFERENCE.findall(text)
    elif kind.startswith("text/javascript"):
        yield from (name for name in IMPORT.findall(text) if name.startswith((".", "/", "http")))
