"""An IOC that the tests of a class share: starting one takes longer than most of them."""

from __future__ import annotations

import atexit
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.runner import TestLoader
from twisted.trial.unittest import TestCase

from harness.ioc import IOCProcess
from pycawamp.demo.process import free_ports


class Shell(Protocol):
    """The part of an IOC that a test that shares it may use."""

    def query(self, line: str) -> Deferred[str]:
        """Run a line in its shell; fires with the output."""


class SharedIOC:
    """An IOC that stays from one test of a class to the next; every call blocks.

    It has its records several times, each time with another prefix, so that no test finds values
    that another test has written.
    """

    def __init__(self, records: str, access: str, copies: int) -> None:
        self.prefixes = [f"T{secrets.token_hex(4)}:" for _ in range(copies)]
        self.ports = free_ports()
        self._lent = 0
        self._folder = TemporaryDirectory(prefix="ioc-")
        everything = "".join(records.replace("$(P)", prefix) for prefix in self.prefixes)
        self._records = self._write("records.db", everything)
        self._access = self._write("access.acf", access) if access else None
        self._process: IOCProcess | None = None

    @property
    def is_lent_out(self) -> bool:
        """Whether each copy of the records has been used."""
        return self._lent == len(self.prefixes)

    def lend(self) -> str:
        """Return the prefix of unused records."""
        self.start()
        self._lent += 1
        return self.prefixes[self._lent - 1]

    def start(self) -> None:
        """Run it, unless it runs."""
        if self._process is None:
            log = Path(self._folder.name, "log")
            self._process = IOCProcess([self._records], self.ports, log, self._access)

    def query(self, line: str) -> str:
        """Run a line in its shell; return the output."""
        assert self._process is not None
        return self._process.query(line)

    def kill(self) -> None:
        """Kill it, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def stop(self) -> None:
        """Stop it finally."""
        self.kill()
        self._folder.cleanup()

    def _write(self, name: str, text: str) -> str:
        path = Path(self._folder.name, name)
        path.write_text(text, errors="surrogateescape")
        return str(path)


@attrs.frozen
class LentIOC:
    """A shared IOC, as used by one of its tests."""

    _ioc: SharedIOC

    def query(self, line: str) -> Deferred[str]:
        """Run a line in its shell; fires with the output."""
        return deferToThread(self._ioc.query, line)


def shared_ioc(case: type[TestCase], records: str, access: str = "") -> SharedIOC:
    """Return the IOC of a class of tests with these records; stop that of the previous class."""
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
