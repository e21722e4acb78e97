"""Base classes of tests of pages: a browser, a whole gateway and a real IOC."""

from __future__ import annotations

import atexit
import os
import re
import socket
from collections.abc import Callable, Generator
from functools import wraps
from http.client import HTTPConnection
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import urlsplit

import attrs
from twisted.application.service import MultiService
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.tcp import Server
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from harness.browser import missing
from harness.console import ConsoleBrowser
from pycawamp.config.options import Options
from pycawamp.demo.ports import free_port
from pycawamp.service.app import assemble
from tests.support.ioc_case import IOCTestCase
from tests.support.shared_ioc import SharedIOC, shared_ioc
from tests.support.timing import allowed

reactor = cast(Any, installed_reactor)
Case = TypeVar("Case", bound="ServiceTestCase")

PORT = free_port()
"""Where the pages of all tests are, as the browser keeps what it compiled of each place.

It finds `localhost:8888` there too, which old pages have in them.
"""
_RESERVED = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_RESERVED.bind(("127.0.0.1", PORT))
"""While the UDP port is in use, `free_port` does not return its number again, to an IOC."""

FEW_PROCESSES = (
    "--app=data:,",
    "--disable-extensions",
    "--disable-features=BackForwardCache,SpareRendererForSitePerProcess,Translate,"
    "OptimizationHints,MediaRouter",
    "--disable-site-isolation-trials",
    "--disable-software-rasterizer",
    "--enable-features=NetworkServiceInProcess2",
    "--in-process-gpu",
    "--renderer-process-limit=1",
)
"""One process shows all pages: to start one for each takes as long as most tests.

The browser's own process draws and loads: separate processes would cost a tenth more.
So does its window, unless it is that of an app: without tabs and an address, and without a page
that was left.
"""


def in_thread(test: Callable[[Case], None]) -> Callable[[Case], Deferred[None]]:
    """Decorator: run a test in a thread, because selenium blocks."""

    @wraps(test)
    def run(self: Case) -> Deferred[None]:
        return deferToThread(test, self)

    return run


def the_browser() -> ConsoleBrowser:
    """Return the only browser of all tests, which ends with them."""
    if not _browsers:
        _browsers.append(
            ConsoleBrowser(
                hosts={"localhost:8888": f"127.0.0.1:{PORT}"},
                timeout=allowed(15),
                flags=FEW_PROCESSES,
            )
        )
        # Not when the reactor shuts down, which happens after each test in a worker of `trial -j`.
        atexit.register(_quit)
    return _browsers[0]


def check_log(case: TestCase, expected: str, allowed_hosts: set[str]) -> None:
    """Fail if a page has logged errors or has sent requests to other hosts.

    All tests share one browser: each test takes the lines of its own pages from the log.

    Args:
        case: The test.
        expected: A pattern of the allowed log lines.
        allowed_hosts: The hosts to which pages may send requests, as `host:port`.
    """
    log = the_browser().take_log()
    case.assertEqual([text for text in log.errors if not re.search(expected, text)], [])
    case.assertEqual(log.outside(allowed_hosts), [])


def ioc_of(case: type[WebTestCase]) -> SharedIOC:
    """Return the IOC of a class of tests."""
    return shared_ioc(case, case.RECORDS, case.ACCESS)


def _quit() -> None:
    while _browsers:
        _browsers.pop().quit()


_browsers: list[ConsoleBrowser] = []


@attrs.frozen
class Reply:
    """A response to a request."""

    status: int
    headers: dict[str, str]
    body: bytes


class ServiceTestCase(IOCTestCase):
    """Tests of a whole gateway, in threads (`in_thread`) in which calls may block."""

    def setUp(self) -> None:
        """Choose the gateway's port."""
        super().setUp()
        self.see_own_ioc()
        self.gateway: MultiService | None = None
        self.gateway_options: tuple[str, ...] = ()
        self.origin = f"http://127.0.0.1:{free_port()}"
        self.addCleanup(self._stop_gateway)

    def wait(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the reactor thread; return the result of its Deferred."""
        return blockingCallFromThread(reactor, function, *arguments)

    def serve(self, *options: str) -> None:
        """Start the gateway like `twistd pycaserver` with these options."""
        self.gateway_options = options
        self.wait(self._serve)

    def fetch(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """Send a request, with the path unchanged; start the gateway if it does not run."""
        if self.gateway is None:
            self.serve()
        connection = HTTPConnection(urlsplit(self.origin).netloc, timeout=allowed(10))
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def stop_gateway(self) -> None:
        """Stop the gateway; `serve` starts it again on the same port."""
        self.wait(self._stop_gateway)

    def _serve(self) -> None:
        options = Options()
        port = self.origin.rpartition(":")[2]
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        options.parseOptions(["--port", endpoint, *self.gateway_options])
        settings = options.settings
        # Its own CA repeater: one that outlives the test would disturb the next test.
        gateway = attrs.evolve(settings.gateway, own_repeater=True)
        self.gateway = assemble(reactor, attrs.evolve(settings, gateway=gateway))
        self.gateway.startService()  # type: ignore[no-untyped-call]

    @inlineCallbacks
    def _stop_gateway(self) -> Generator[Deferred[Any], Any, None]:
        if self.gateway is None:
            return
        gateway, self.gateway = self.gateway, None
        yield gateway.stopService()
        # The browser keeps its HTTP connections open; the end of a process would close them.
        for reader in reactor.getReaders():
            if isinstance(reader, Server):
                reader.abortConnection()
        yield deferLater(reactor, 0)


class WebTestCase(ServiceTestCase):
    """Tests of pages.

    A test fails if the page logs errors, violates its Content-Security-Policy, or sends requests
    to other hosts than the gateway.
    """

    RECORDS: ClassVar[str] = ""
    """The IOC's database; no IOC if empty. All tests of a class have the same IOC."""
    INITIAL: ClassVar[dict[str, object]] = {}
    """The initial values of the records that tests change."""
    ACCESS: ClassVar[str] = ""
    """The IOC's access security file; if empty, everything is allowed."""
    allowed_hosts: set[str] | None = None
    """The hosts to which pages may send requests, as `host:port`; None: only the gateway."""
    expected_errors = r"(?!)"
    """A pattern of the allowed log lines: Chromium itself logs what it could not load."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        """Prepare the IOC and the browser, or skip if something is missing."""
        super().setUp()
        self.origin = f"http://127.0.0.1:{PORT}"
        if problem := missing():
            if os.environ.get("CI") == "true":
                self.fail(problem)
            raise SkipTest(problem)
        if self.RECORDS:
            ioc = ioc_of(type(self))
            self.prefix, self.ports = ioc.prefixes[0], ioc.ports
            self.see_own_ioc()
        return deferToThread(self._start)

    @property
    def browser(self) -> ConsoleBrowser:
        """The only browser."""
        return the_browser()

    def _start(self) -> None:
        if self.RECORDS:
            ioc_of(type(self)).start()
            for record, value in self.INITIAL.items():
                self.set_record(record, value)
        self.addCleanup(deferToThread, self._check_log)

    def query_ioc(self, line: str) -> str:
        """Run a line in the IOC's shell; return its output."""
        return ioc_of(type(self)).query(line)

    def set_record(self, record: str, value: object) -> None:
        """Set a record of this test in the IOC's shell."""
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        self.query_ioc(f'dbpf("{self.prefix}{record}","{text}")')

    def pv(self, record: str) -> str:
        """Return the full name of a record of this test."""
        return self.prefix + record

    def open(self, *records: str, options: tuple[str, ...] = (), rest: str = "") -> ConsoleBrowser:
        """Start the gateway, unless it runs, and open the console with some records."""
        if self.gateway is None:
            self.serve(*options)
        names = ",".join(self.pv(record) for record in records)
        self.browser.open(f"{self.origin}/{f'?pv={names}' if names else ''}{rest}")
        return self.browser

    def _check_log(self) -> None:
        self.browser.leave()
        self.browser.command(
            "Storage.clearDataForOrigin", origin=self.origin, storageTypes="local_storage"
        )
        check_log(self, self.expected_errors, self.allowed_hosts or {urlsplit(self.origin).netloc})
