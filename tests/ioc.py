"""A real IOC with a gateway before it: what the tests of the third tier start from."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Protocol

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import TestCase

from pycawamp.demo import softioc
from pycawamp.demo.process import CAPorts, IOCError, SoftIOC, free_ports
from pycawamp.gateway import GatewaySettings
from pycawamp.testing import TIMEOUT, GatewayFixture, WebSocketTestClient


class Shell(Protocol):
    """An IOC, as far as a test that shares it may use it."""

    def query(self, line: str) -> Deferred[str]:
        """Run one line in its shell; fires with what that printed."""


class IOCTestCase(TestCase):
    """Tests with records of their own, whose names start with `self.prefix`."""

    timeout = 60

    def setUp(self) -> None:
        """Choose names and ports that no other test has."""
        self.prefix = f"T{secrets.token_hex(4)}:"
        self.ports = free_ports()

    def see_own_ioc(self) -> None:
        """Have Channel Access of this process see this test's IOC only, until the test ends."""
        variables = self.ports.client_environment()
        before = {name: os.environ.get(name) for name in variables}

        def restore() -> None:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

        os.environ.update(variables)
        self.addCleanup(restore)

    @inlineCallbacks
    def borrow_ioc(self, records: str) -> Generator[Deferred[Any], Any, Shell]:
        """An IOC that the tests of this class share; the records are this test's alone."""
        ioc: SharedIOC = yield deferToThread(shared_ioc, type(self), records)
        self.prefix = yield deferToThread(ioc.lend)
        self.ports = ioc.ports
        return LentIOC(ioc)

    @inlineCallbacks
    def start_ioc(
        self, records: str, ports: CAPorts | None = None, access: str | None = None
    ) -> Generator[Deferred[Any], Any, SoftIOC]:
        """Run an IOC of this test's own, with records whose names start with $(P)."""
        database = Path(self.mktemp())
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_text(records, errors="surrogateescape")
        ioc = SoftIOC(
            reactor, [str(database)], f"P={self.prefix}", ports or self.ports, access_file=access
        )
        self.addCleanup(ioc.stop)
        yield ioc.start()
        return ioc

    @inlineCallbacks
    def kill_ioc(self, ioc: SoftIOC) -> Generator[Deferred[Any], Any, None]:
        """End an IOC as a crash would; its ports are free after."""
        ended = ioc.when_ended()
        ioc.kill()
        yield ended

    @inlineCallbacks
    def start_gateway(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, GatewayFixture]:
        """Run a gateway that sees this test's IOC only."""
        fixture = GatewayFixture(reactor, settings, ports=self.ports)
        self.addCleanup(fixture.stop)
        yield fixture.start()
        return fixture

    @inlineCallbacks
    def start_client(
        self, settings: GatewaySettings | None = None
    ) -> Generator[Deferred[Any], Any, WebSocketTestClient]:
        """Run a gateway; fires with its first client."""
        fixture = yield self.start_gateway(settings)
        client: WebSocketTestClient = yield fixture.connect()
        return client

    def subscribe(self, client: WebSocketTestClient, *names: str) -> None:
        """Have a client connect to records of this test."""
        for name in names:
            client.send({"action": "connect", "pv": self.prefix + name})


@inlineCallbacks
def until_true(condition: Callable[[], bool]) -> Generator[Deferred[Any], Any, None]:
    """Fires when a condition holds that nobody tells of; fails if it never does."""
    deadline = reactor.seconds() + TIMEOUT
    while not condition():
        if reactor.seconds() > deadline:
            raise AssertionError("what was waited for did not happen")
        yield deferLater(reactor, 0.01)


@inlineCallbacks
def served_by(ioc: Shell) -> Generator[Deferred[Any], Any, dict[str, int]]:
    """Of each name that the IOC serves, how many subscriptions it has (`casr`).

    Fails if one client has two channels of a name.
    """
    report = yield ioc.query("casr 3")
    served = re.findall(r"Channel: '(.+)'\n(?:.*\n)*?.* on eventq=(\d+)", report)
    names = dict(served)
    if len(names) != len(served):
        raise AssertionError(f"a name has two channels: {report}")
    return {name: int(count) for name, count in names.items()}


class SharedIOC:
    """An IOC that stays from one test of a class to the next; every call blocks.

    It has its records several times, each time with another prefix, so that no test finds what
    another has written.
    """

    def __init__(self, records: str, access: str, copies: int) -> None:
        self.prefixes = [f"T{secrets.token_hex(4)}:" for _ in range(copies)]
        self.ports = free_ports()
        self._lent = 0
        self._talking = Lock()
        self._folder = TemporaryDirectory(prefix="ioc-")
        everything = "".join(records.replace("$(P)", prefix) for prefix in self.prefixes)
        self._records = self._write("records.db", everything)
        self._access = self._write("access.acf", access) if access else None
        self._log = Path(self._folder.name, "log")
        self._process: Popen[str] | None = None

    @property
    def is_lent_out(self) -> bool:
        """Whether each copy of the records has been used."""
        return self._lent == len(self.prefixes)

    def lend(self) -> str:
        """The prefix of records that nobody has used."""
        self.start()
        self._lent += 1
        return self.prefixes[self._lent - 1]

    def start(self) -> None:
        """Run it, unless it runs."""
        if self._process is not None:
            return
        command = [sys.executable, softioc.__file__, self._records]
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
        with self._talking:
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
        path.write_text(text, errors="surrogateescape")
        return str(path)

    def _answer(self) -> str:
        assert self._process is not None and self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.rstrip() == softioc.READY:
                return "\n".join(lines)
            lines.append(line.rstrip())
        raise IOCError(f"the IOC ended: {self._log.read_text()}")


@attrs.frozen
class LentIOC:
    """A shared IOC, as one of its tests sees it."""

    _ioc: SharedIOC

    def query(self, line: str) -> Deferred[str]:
        """Run one line in its shell; fires with what that printed."""
        return deferToThread(self._ioc.query, line)


def shared_ioc(case: type[TestCase], records: str, access: str = "") -> SharedIOC:
    """The IOC with these records of a class of tests; those of the class before end."""
    if any(owner is not case for owner, *_ in _iocs):
        _stop_iocs()
    ioc = _iocs.get((case, records, access))
    if ioc is None or ioc.is_lent_out:
        copies = len(TestLoader().getTestCaseNames(case))
        ioc = _iocs[case, records, access] = SharedIOC(records, access, copies)
        atexit.register(ioc.stop)
    return ioc


def _stop_iocs() -> None:
    while _iocs:
        _iocs.popitem()[1].stop()


_iocs: dict[tuple[type[TestCase], str, str], SharedIOC] = {}
