"""Closed objects of Channel Access are freed at once, without the garbage collector."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.errors import BadValueError, PVTimeoutError
from pycawamp.pv.hub import PVHub
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.oneshot import OneShotChannel
from tests.support.garbage import left_to_the_collector
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import TIMEOUT

RECORDS = """
record(ao, "$(P)a") { field(VAL, "1.5") field(EGU, "mm") field(PINI, "YES") }
record(bo, "$(P)c") { field(ZNAM, "Off") field(ONAM, "On") field(PINI, "YES") }
"""


class CAFreedTests(IOCTestCase):
    """A hub over Channel Access, with the collector off."""

    @inlineCallbacks
    def test_channels_and_requests(self) -> Any:
        """Dropped channels are freed, with gets and puts that succeeded, failed or were dropped."""
        yield self.borrow_ioc(RECORDS)
        self.see_own_ioc()
        backend = CABackend(reactor, Inbox(reactor, lambda: None), own_repeater=True)
        hub = PVHub(reactor, backend, linger=0.0)
        hub.startService()
        self.addCleanup(hub.stopService)
        yield Deferred.fromCoroutine(self.use(hub))
        with left_to_the_collector() as left:
            yield Deferred.fromCoroutine(self.use(hub))
            # Channel Access is at this one when it has cleared those.
            another = OneShotChannel(hub, reactor, self.prefix + "a")
            yield Deferred.fromCoroutine(another.reach(TIMEOUT))
        another.close()
        ours = {name: n for name, n in left.items() if name.startswith("pycawamp.pv.")}
        self.assertEqual(ours, {})

    async def use(self, hub: PVHub) -> None:
        """Read and write, and disconnect."""
        for name in ("a", "c"):
            one_shot = OneShotChannel(hub, reactor, self.prefix + name)
            await one_shot.reach(TIMEOUT)
            await one_shot.get(TIMEOUT)
            await one_shot.put(1, True, TIMEOUT)
            await one_shot.put(0, False, TIMEOUT)
            try:
                await one_shot.put("Neither", True, TIMEOUT)
            except BadValueError as error:
                error.__traceback__ = None
            try:
                await one_shot.put(1, True, 0.0)
            except PVTimeoutError as error:
                error.__traceback__ = None
            one_shot.close()
        while len(hub):
            await deferLater(reactor, 0.01)
