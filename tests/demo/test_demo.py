"""The demo IOC as a service: it is restarted when it dies, and ends with the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.interfaces import IReactorProcess
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from pycawamp.demo.process import DemoIOC

reactor = cast(IReactorProcess, installed_reactor)


class DemoIOCTests(TestCase):
    """DemoIOC as a service."""

    def setUp(self) -> None:
        """Create the service, with short delays."""
        self.service = DemoIOC(reactor, restart_seconds=0.05)

    @inlineCallbacks
    def test_stops_while_starting(self) -> Any:
        """A service stopped before its IOC is ready leaves no process behind."""
        with capturedLogs() as events:
            self.service.startService()
            yield self.service.stopService()
        self.assertEqual(_errors(events), [])

    @inlineCallbacks
    def test_comes_back(self) -> Any:
        """An IOC that dies is logged, and restarted on its ports; stopping is not logged."""
        with capturedLogs() as events:
            self.service.startService()
            first = yield self.service.when_up()
            first.kill()
            second = yield self.service.when_up()
            yield self.service.stopService()
        self.assertIsNot(first, second)
        self.assertFalse(second.running)
        self.assertEqual([first.ports, second.ports], [self.service.ports] * 2)
        [error] = _errors(events)
        self.assertIn("signal 9", error)
        self.assertIn("restarted in 0.05 s", error)

    @inlineCallbacks
    def test_stops_while_waiting(self) -> Any:
        """A service stopped between two IOCs starts no other."""
        self.service.startService()
        ioc = yield self.service.when_up()
        ended = ioc.when_ended()
        ioc.kill()
        yield ended
        yield self.service.stopService()
        self.assertFalse(ioc.running)


def _errors(events: Sequence[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events if event["log_level"] is LogLevel.error]
