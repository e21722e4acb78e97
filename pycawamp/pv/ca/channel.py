"""A Channel Access channel, as seen by the reactor."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.encode import Write, encode
from pycawamp.pv.ca.monitors import Monitor
from pycawamp.pv.ca.refusals import HeldRefusals, RefusalLog
from pycawamp.pv.ca.requests import PendingGet, PutCalls, Puts
from pycawamp.pv.ca.state import AtLibca
from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.interfaces import IHandle, IRoutedSink, ISink
from pycawamp.pv.routes import DirectStream
from pycawamp.pv.values import Metadata, Reading

T = TypeVar("T")

MAX_EARLY = 100
"""Maximum number of updates kept for a channel until its metadata has arrived."""


class ChannelCalls(PutCalls, Protocol):
    """The calls of libca that a channel needs."""

    refusals: RefusalLog
    """Logs what IOCs refuse."""
    held_refusals: HeldRefusals
    """Refusals that may be due to access rights that have not arrived yet."""

    def free(self, channel: Channel) -> None:
        """Clear a channel's subscriptions, then the channel."""

    def lose(self, host: str) -> None:
        """Handle the loss of an IOC."""

    def get(self, at_libca: AtLibca, pending: PendingGet) -> None:
        """Request a channel's value, which is passed to the pending get."""


@implementer(IHandle)
class Channel:
    """Passes a channel's events to its sink in the order that the sink expects.

    The sink is notified when the channel is connected and readable and its metadata
    has arrived, so the first reading already has units and limits.
    """

    __slots__ = (
        "_calls",
        "_complete",
        "_described",
        "_early",
        "_gets",
        "_held",
        "_overloaded",
        "_puts",
        "_refusal",
        "_reported",
        "_sink",
        "at_libca",
        "key",
        "monitors",
        "name",
        "native",
    )

    def __init__(self, name: str, key: int, sink: ISink, calls: ChannelCalls) -> None:
        self.name = name
        self.key = key
        self.native: Metadata | None = None
        """Type, count, host and rights; None while not connected."""
        self.monitors: tuple[Monitor, ...] = ()
        """The current monitors. Events of earlier ones are ignored."""
        self.at_libca = AtLibca()
        self._sink = sink
        self._calls = calls
        self._described: Metadata | None = None
        self._complete = False
        self._refusal: str | None = None
        self._held: libca.Refusal | None = None
        self._overloaded = False
        self._reported: bool | str | None = None
        self._early: tuple[Reading, ...] = ()
        # Most channels are never written, nor read but by their monitor.
        self._puts: Puts | None = None
        self._gets: tuple[PendingGet, ...] = ()

    def close(self) -> None:
        """Clear the subscriptions and the channel; the sink is no longer called."""
        self._reroute()
        self.native = None
        self._held = None
        self.monitors = ()
        self._fail_requests()
        self._calls.free(self)

    @property
    def is_readable(self) -> bool:
        """Whether it is connected, and the IOC grants read access."""
        return self.native is not None and self.native.read_access

    def get(self) -> Deferred[Reading]:
        """Read the current value from the IOC, see `IHandle.get`."""
        if self.native is None:
            return fail(NotConnectedError("no IOC serves it now"))
        pending = PendingGet(self._calls.next_key(), self.native)
        self._gets = (*self._gets, pending)
        self._calls.get(self.at_libca, pending)
        return pending.answer.addBoth(self._got, pending)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Write a value, see `IHandle.put`."""
        if self.native is None:
            return fail(NotConnectedError("no IOC serves it now"))
        try:
            write = encode(self._described or self.native, value)
        except BadValueError as error:
            return fail(error.with_traceback(None))
        if self._puts is None:
            self._puts = Puts(self._calls, self.at_libca)
        if write.count == 0 and self.name.endswith("$"):
            # A string field, as characters. Without characters, the IOC would write nothing.
            write = Write(write.type, 1, b"\0")
        return self._puts.complete(write) if wait else self._puts.send(write)

    def connect(self, event: tuple[Metadata, tuple[Monitor, ...]]) -> None:
        """Handle a connection: store type, rights and monitors."""
        self._reroute()
        self.native, self.monitors = event
        self.at_libca.host = self.native.host
        route = self.monitors[-1].route
        if route is not None and IRoutedSink.providedBy(self._sink):
            self._sink.routed(route)
        self._described = None
        self._refusal = None
        self._held = None
        self._expect_metadata()
        self._early = ()
        if self._complete or not self.native.read_access:
            self._describe(self.native)

    def overload(self, _event: None) -> None:
        """Handle that its values are not subscribed to because the memory limit is reached."""
        if self.native is not None:
            self._overloaded = True
            self._describe(self._described or self.native)
            self._sink.overloaded()

    def lose(self, _event: None) -> None:
        """Handle a disconnection."""
        self.native = None
        self._calls.lose(self.at_libca.host)
        self._fail_requests()
        self._report()

    def set_access(self, rights: tuple[bool, bool]) -> None:
        """Handle changed access rights."""
        if self.native is None:
            return
        read, write = rights
        self.native = attrs.evolve(self.native, read_access=read, write_access=write)
        if not read:
            self._refusal = None
            self._expect_metadata()
        if self._described is not None:
            self._describe(attrs.evolve(self._described, read_access=read, write_access=write))

    def describe(self, raw: bytes) -> None:
        """Handle DBR_CTRL data: units, limits, precision or labels."""
        if self.native is not None:
            self._complete = True
            self._describe(dbr.describe(self.native, raw))

    def metadata_refused(self, refusal: libca.Refusal) -> None:
        """Continue without units, limits and labels, which the IOC does not send."""
        if self.native is not None:
            self._log_refusal(refusal, f"units and limits of {self.name}")
            self._complete = True
            self._describe(attrs.evolve(self.native, refusal=refusal.reason))

    def update(self, reading: Reading) -> None:
        """Decode an update, and pass it to the sink."""
        # Values arrive, so a held refusal no longer applies.
        self._held = None
        if self._reported is True:
            self._sink.reading(reading)
            return
        self._early = (*self._early[-MAX_EARLY + 1 :], reading)
        if self._refusal is not None:
            self._refusal = None
            self._report()

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams for updates if these need nothing else, otherwise None."""
        streams: list[DirectStream] | None = None
        if self._reported is True and self._held is None and IRoutedSink.providedBy(self._sink):
            streams = self._sink.direct_streams()
        return streams

    def refuse(self, refusal: libca.Refusal) -> None:
        """Handle an error status in place of a value: the last value is no longer current."""
        if self.native is None or refusal.reason == self._refusal:
            return
        if refusal.status != libca.ECA_NORDACCESS or self._reported is not True:
            self._refuse(refusal)
        elif self._held is None:
            # So that the next value comes to `update`.
            self._reroute()
            self._held = refusal
            self._calls.held_refusals.put(partial(self._report_held, refusal))

    def _report_held(self, refusal: libca.Refusal) -> None:
        """Report a held refusal, unless values or other access rights have arrived since."""
        if self._held is refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: libca.Refusal) -> None:
        self._log_refusal(refusal, f"the value of {self.name}")
        self._refusal = refusal.reason
        self._early = ()
        self._report()

    def _reroute(self) -> None:
        """Deliver the next event to `update` again."""
        for monitor in self.monitors:
            if monitor.route is not None:
                monitor.route.clear()

    def _got(self, answer: T, pending: PendingGet) -> T:
        self._gets = tuple(other for other in self._gets if other is not pending)
        self._calls.forget(pending.key)
        if pending.refusal is not None and self.native is not None:
            self._log_refusal(pending.refusal, f"the value of {self.name}")
        return answer

    def _fail_requests(self) -> None:
        if self._puts is not None:
            self._puts.lose()
        for pending in self._gets:
            pending.fail(NotConnectedError("the IOC was lost"))

    def _expect_metadata(self) -> None:
        """Make the next connection wait for metadata, if the type has any."""
        self._complete = len(self.monitors) == 1

    def _describe(self, metadata: Metadata) -> None:
        if metadata != self._described:
            self._described = metadata
            self._sink.metadata(metadata)
        self._report()

    def _log_refusal(self, refusal: libca.Refusal, what: str) -> None:
        assert self.native is not None
        host = self.native.host
        line = f"{host} does not send {what}: {refusal.reason}"
        self._calls.refusals.write(host, refusal.status, line)

    def _report(self) -> None:
        readable = self.is_readable and not self._overloaded
        if readable and not self._complete:
            return
        state: bool | str = readable
        if readable and self._refusal is not None:
            state = self._refusal
        if state != self._reported:
            self._reroute()
            self._reported = state
            self._held = None
            if isinstance(state, str):
                self._sink.refused(state)
            else:
                self._sink.connection(state)
        early, self._early = self._early, ()
        if state is True:
            for reading in early:
                self._sink.reading(reading)
