"""A browser before a whole gateway before a real IOC: what tests of pages start from."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Generator
from functools import wraps
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import urlsplit

import attrs
from twisted.application.service import MultiService
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.tcp import Server
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.trial.unittest import SkipTest

from pycawamp.demo import softioc
from pycawamp.demo.ports import free_ports
from pycawamp.options import Options
from pycawamp.service import assemble
from tests.browser import Browser, missing
from tests.ioc import IOCTestCase

reactor = cast(Any, installed_reactor)
Case = TypeVar("Case", bound="ServiceTestCase")

WIKI_PORT = free_ports().server
"""Where the browser finds `localhost:8888`, which old pages have in them."""


def in_thread(test: Callable[[Case], None]) -> Callable[[Case], Deferred[None]]:
    """Makes a test that may block: selenium does."""

    @wraps(test)
    def run(self: Case) -> Deferred[None]:
        return deferToThread(test, self)

    return run


def the_browser() -> Browser:
    """The one browser of all tests; it ends with them."""
    if not _browsers:
        _browsers.append(Browser(hosts={"localhost:8888": f"127.0.0.1:{WIKI_PORT}"}))
        reactor.addSystemEventTrigger("before", "shutdown", _quit)
        atexit.register(_quit)
    return _browsers[0]


def shared_ioc(case: type[WebTestCase]) -> SharedIOC:
    """The IOC of a class of tests; that of the class before ends."""
    if case not in _iocs:
        _stop_iocs()
        _iocs[case] = SharedIOC(case.RECORDS, case.ACCESS)
        atexit.register(_stop_iocs)
    return _iocs[case]


def _quit() -> None:
    while _browsers:
        _browsers.pop().quit()


def _stop_iocs() -> None:
    while _iocs:
        _iocs.popitem()[1].stop()


_browsers: list[Browser] = []
_iocs: dict[type[WebTestCase], SharedIOC] = {}


class SharedIOC:
    """An IOC that stays from one test of a class to the next; every call blocks."""

    def __init__(self, records: str, access: str) -> None:
        self.prefix = f"T{secrets.token_hex(4)}:"
        self.ports = free_ports()
        self._folder = tempfile.TemporaryDirectory(prefix="ioc-")
        self._records = self._write("records.db", records)
        self._access = self._write("access.acf", access) if access else None
        self._log = Path(self._folder.name, "log")
        self._process: Popen[str] | None = None

    def start(self) -> None:
        """Run it, unless it runs."""
        if self._process is not None:
            return
        command = [sys.executable, softioc.__file__, self._records, "--macros", f"P={self.prefix}"]
        if self._access is not None:
            command += ["--access-file", self._access]
        plain = {key: text for key, text in os.environ.items() if not key.startswith("EPICS_")}
        environment = {**plain, **self.ports.server_environment()}
        with self._log.open("w") as log:
            self._process = Popen(
                command, stdin=PIPE, stdout=PIPE, stderr=log, text=True, env=environment
            )
        self._answer()

    def query(self, line: str) -> str:
        """Run one line in its shell; what that printed."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def stop(self) -> None:
        """End it for good."""
        self.kill()
        self._folder.cleanup()

    def _write(self, name: str, text: str) -> str:
        path = Path(self._folder.name, name)
        path.write_text(text)
        return str(path)

    def _answer(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.rstrip() == softioc.READY:
                return "\n".join(lines)
            lines.append(line.rstrip())
        raise AssertionError(f"the IOC ended: {self._log.read_text()}")


class ServiceTestCase(IOCTestCase):
    """Tests of a whole gateway, in threads (`in_thread`) where everything blocks."""

    def setUp(self) -> None:
        """Choose where the gateway will be."""
        super().setUp()
        self.see_own_ioc()
        self.gateway: MultiService | None = None
        self.gateway_options: tuple[str, ...] = ()
        self.origin = f"http://127.0.0.1:{free_ports().server}"
        self.addCleanup(self._stop_gateway)

    def wait(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call something in the reactor; what its Deferred fires with."""
        return blockingCallFromThread(reactor, function, *arguments)

    def serve(self, *options: str) -> None:
        """Start the gateway as `twistd pycaserver` with these options would."""
        self.gateway_options = options
        self.wait(self._serve)

    def stop_gateway(self) -> None:
        """Stop the gateway; `serve` starts it again at the same place."""
        self.wait(self._stop_gateway)

    def _serve(self) -> None:
        options = Options()
        port = self.origin.rpartition(":")[2]
        endpoint = f"tcp:{port}:interface=127.0.0.1"
        options.parseOptions(["--port", endpoint, *self.gateway_options])
        settings = options.settings
        # A CA repeater of its own: one that outlives the test would disturb the next.
        gateway = attrs.evolve(settings.gateway, own_repeater=True)
        self.gateway = assemble(reactor, attrs.evolve(settings, gateway=gateway))
        self.gateway.startService()

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

    A test fails if the page complains on its console, breaks its Content-Security-Policy, or
    asks anything of anybody but the gateway.
    """

    RECORDS: ClassVar[str] = ""
    """The IOC's database; no IOC if empty. All tests of a class have the same IOC."""
    INITIAL: ClassVar[dict[str, object]] = {}
    """What each test begins with, of the records that tests change."""
    ACCESS: ClassVar[str] = ""
    """The IOC's access security file; anybody may do anything if empty."""
    places: set[str] | None = None
    """Whom the page may ask, as `host:port`; only the gateway if None."""
    expected_errors = r"(?!)"
    """What the console may say, as a pattern: Chromium itself writes what it could not load."""

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        """Have an IOC and a browser, or say what is missing."""
        super().setUp()
        if problem := missing():
            if os.environ.get("CI") == "true":
                self.fail(problem)
            raise SkipTest(problem)
        if self.RECORDS:
            ioc = shared_ioc(type(self))
            self.prefix, self.ports = ioc.prefix, ioc.ports
            self.see_own_ioc()
        return deferToThread(self._start)

    @property
    def browser(self) -> Browser:
        """The one browser."""
        return the_browser()

    def _start(self) -> None:
        self.browser.heard()
        if self.RECORDS:
            shared_ioc(type(self)).start()
            for record, value in self.INITIAL.items():
                self.tell_ioc(record, value)
        self.addCleanup(deferToThread, self._look_back)

    def ask_ioc(self, line: str) -> str:
        """Run a line in the IOC's shell; what that printed."""
        return shared_ioc(type(self)).query(line)

    def tell_ioc(self, record: str, value: object) -> None:
        """Set a record of this test, at the IOC."""
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        self.ask_ioc(f'dbpf("{self.prefix}{record}","{text}")')

    def pv(self, record: str) -> str:
        """The full name of a record of this test."""
        return self.prefix + record

    def open(self, *records: str, options: tuple[str, ...] = (), rest: str = "") -> Browser:
        """Start the gateway, unless it runs, and open the console with some records."""
        if self.gateway is None:
            self.serve(*options)
        names = ",".join(self.pv(record) for record in records)
        self.browser.open(f"{self.origin}/{f'?pv={names}' if names else ''}{rest}")
        return self.browser

    def _look_back(self) -> None:
        self.browser.leave()
        heard = self.browser.heard()
        errors = [text for text in heard.errors if not re.search(self.expected_errors, text)]
        self.assertEqual(errors, [])
        self.assertEqual(heard.outside(self.places or {urlsplit(self.origin).netloc}), [])
