"""The backend for PVs of IOCs, by libca.

Three kinds of threads are involved:

- The reactor thread opens and closes channels and receives their events.
- One worker thread owns libca's context and makes all CA calls, because some of them wait
  for a lock that libca holds during callbacks.
- libca's own threads run the callbacks (`callbacks`), which only copy the data and post it.
"""

from __future__ import annotations

from ctypes import byref, c_void_p
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.callbacks import Callbacks, Registry
from pycawamp.pv.ca.channel import Channel
from pycawamp.pv.ca.circuits import Circuits, Confirmation, Job
from pycawamp.pv.ca.monitors import Monitor
from pycawamp.pv.ca.refusals import HeldRefusals, RefusalLog
from pycawamp.pv.ca.repeater import Repeater, ensure_repeater
from pycawamp.pv.ca.requests import PendingGet, PendingPut, PlainPut
from pycawamp.pv.ca.state import AtLibca
from pycawamp.pv.ca.worker import Worker
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, IHealthCheck, ISink


@implementer(IBackend, IHealthCheck)
class CABackend:
    """Opens channels by Channel Access; reads the EPICS_CA_* environment at `start`.

    It ensures that a CA repeater runs.

    Args:
        reactor: Twisted's reactor.
        inbox: Passes events from libca's threads to the reactor.
        own_repeater: Whether a repeater that has to be started ends with this backend.
        budget: Counts the values of large arrays.

    Raises:
        LibraryError: libca cannot be loaded.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        inbox: Inbox,
        own_repeater: bool = False,
        budget: MemoryBudget | None = None,
    ) -> None:
        self._reactor = reactor
        self._inbox = inbox
        self._budget = budget or MemoryBudget()
        self._own_repeater = own_repeater
        self._repeater: Repeater | None = None
        self._ca = libca.load()
        self._worker = Worker(reactor, "Channel Access", self._ca.ca_flush_io)
        # Executed before all other jobs, even those of channels that are opened before `start`.
        self._worker.do(self._create_context)
        self.registry = Registry(inbox.intake)
        """The channels, monitors, gets and puts that libca's callbacks are about."""
        self._circuits = Circuits(self._worker.do, self._confirm, self.registry.forget)
        self.refusals = RefusalLog(reactor)
        """Logs what IOCs refuse."""
        self.held_refusals = HeldRefusals(reactor)
        """Refusals that may be due to access rights that have not arrived yet."""
        self.callbacks = Callbacks(
            self._ca, inbox, self.registry, self.refusals, self._subscribe_soon
        )
        """The callback functions for libca."""

    # The reactor

    def start(self) -> None:
        """Create libca's context. Call it after twistd's fork, which threads do not survive."""
        self._inbox.open()
        self._worker.start()

    def stop(self) -> Deferred[None]:
        """Destroy the context and all channels; fires when libca's threads have ended."""
        self.held_refusals.clear()
        self.registry.clear()
        return self._worker.stop(last=self._destroy_context)

    def check(self) -> Deferred[None]:
        """Fires when the worker has finished its current jobs, so no call of libca hangs."""
        done: Deferred[None] = Deferred()
        self._worker.do(partial(self._reactor.callFromThread, done.callback, None))
        return done

    def open(self, name: str, sink: ISink) -> IHandle:
        """Open a channel; it is searched for until the handle is closed."""
        channel = Channel(name, self.next_key(), sink, self)
        self.registry.channels[channel.key] = channel
        self._worker.do(partial(self._create_channel, channel))
        return channel

    def free(self, channel: Channel) -> None:
        """Clear a channel's subscriptions, then the channel."""
        self.registry.channels.pop(channel.key, None)
        # The call waits inside libca like a request.
        self._circuits.send(channel.at_libca, partial(self._clear_channel, channel))

    def lose(self, host: str) -> None:
        """Handle the loss of an IOC."""
        self._circuits.lose(host)

    def get(self, at_libca: AtLibca, pending: PendingGet) -> None:
        """Request a channel's value, which is passed to the pending get."""
        self.registry.listen(pending)
        self._circuits.send(at_libca, partial(self._get, at_libca, pending))

    def put(self, at_libca: AtLibca, pending: PlainPut) -> None:
        """Write without completion; the outcome is passed to the pending put."""
        job = partial(self._put, at_libca, pending)
        self._circuits.send(at_libca, job, len(pending.write.raw))

    def put_callback(self, at_libca: AtLibca, pending: PendingPut) -> None:
        """Write with completion; the outcome is passed to the pending put."""
        self.registry.puts[pending.key] = pending
        job = partial(self._put_callback, at_libca, pending)
        self._circuits.send(at_libca, job, len(pending.write.raw))

    def _confirm(self, at_libca: AtLibca, confirmed: Job) -> Confirmation:
        confirmation = Confirmation(self.next_key(), confirmed)
        self.registry.listen(confirmation)
        self._worker.do(partial(self._get, at_libca, confirmation))
        return confirmation

    def forget(self, key: int) -> None:
        """Stop reporting the outcome of a get or put."""
        self.registry.forget(key)

    def next_key(self) -> int:
        """Return a unique number for the callbacks of a channel or request."""
        return self.registry.next_key()

    @property
    def kept_threads(self) -> int:
        """Number of libca's threads that keep a Python thread state: one per connected IOC."""
        return self.callbacks.kept_threads

    # The worker

    def _create_context(self) -> None:
        # Before libca needs one: it would run one inside this process.
        self._repeater = ensure_repeater(self._own_repeater)
        if self._repeater.problem:
            self._log.warn("{problem}", problem=self._repeater.problem)
        self._check(self._ca.ca_context_create(libca.PREEMPTIVE_CALLBACKS), "create a context")
        self._ca.ca_add_exception_event(self.callbacks.exception, None)

    def _destroy_context(self) -> None:
        self._ca.ca_context_destroy()
        if self._repeater is not None:
            self._repeater.close()

    def _create_channel(self, channel: Channel) -> None:
        chid = c_void_p()
        status = self._ca.ca_create_channel(
            channel.name.encode(), self.callbacks.connection, channel.key, 0, byref(chid)
        )
        if self._check(status, f"create the channel {channel.name}"):
            channel.at_libca.chid = chid.value
            self._ca.ca_replace_access_rights_event(chid, self.callbacks.access)
        else:
            channel.at_libca.cleared = True

    def _subscribe_soon(self, channel: Channel, monitors: tuple[Monitor, ...]) -> None:
        self._worker.do(partial(self._subscribe, channel, monitors))

    def _subscribe(self, channel: Channel, monitors: tuple[Monitor, ...]) -> None:
        if channel.at_libca.cleared:
            return
        self._unsubscribe(channel)
        if not self._reserve(channel.at_libca, monitors):
            monitors = tuple(monitor for monitor in monitors if not monitor.reserved)
            self._inbox.post(channel.overload, None)
        channel.at_libca.subscribed = monitors
        for monitor in monitors:
            self.registry.listen(monitor)
            event_id = c_void_p()
            status = self._ca.ca_create_subscription(
                monitor.type,
                monitor.count,
                channel.at_libca.chid,
                monitor.mask,
                self.callbacks.event,
                monitor.key,
                byref(event_id),
            )
            monitor.event_id = event_id.value
            if status != libca.ECA_NORMAL:
                self._inbox.post(monitor.failed, libca.Refusal.by_status(status))

    def _unsubscribe(self, channel: Channel) -> None:
        for monitor in channel.at_libca.subscribed:
            self.registry.forget(monitor.key)
            if monitor.event_id:
                self._ca.ca_clear_subscription(monitor.event_id)
            monitor.close()
        channel.at_libca.subscribed = ()
        self._budget.values -= channel.at_libca.reserved
        channel.at_libca.reserved = 0

    def _reserve(self, at_libca: AtLibca, monitors: tuple[Monitor, ...]) -> bool:
        """Count the largest possible values of monitors before they are subscribed to."""
        size = sum(monitor.reserved for monitor in monitors)
        if size and not self._budget.has_room_for_values(size):
            return False
        at_libca.reserved = size
        self._budget.values += size
        return True

    def _clear_channel(self, channel: Channel) -> None:
        if not channel.at_libca.cleared:
            channel.at_libca.cleared = True
            self._unsubscribe(channel)
            self._ca.ca_clear_channel(channel.at_libca.chid)
            for monitor in channel.at_libca.monitors:
                monitor.close()
            channel.at_libca.monitors = ()

    def _get(self, at_libca: AtLibca, pending: PendingGet | Confirmation) -> None:
        status = libca.ECA_DISCONN
        if not at_libca.cleared:
            status = self._ca.ca_array_get_callback(
                pending.type, pending.count, at_libca.chid, self.callbacks.event, pending.key
            )
        if status != libca.ECA_NORMAL:
            self._inbox.post(pending.failed, libca.Refusal.by_status(status))

    def _put(self, at_libca: AtLibca, pending: PlainPut) -> None:
        if pending.answer.called:
            # It has timed out while it was held.
            return
        write = pending.write
        status = libca.ECA_DISCONN
        if not at_libca.cleared:
            status = self._ca.ca_array_put(
                dbr.DBR_TYPES[write.type], write.count, at_libca.chid, write.raw
            )
        self._inbox.post(pending.done, status)

    def _put_callback(self, at_libca: AtLibca, pending: PendingPut) -> None:
        write = pending.write
        status = libca.ECA_DISCONN
        if not at_libca.cleared:
            status = self._ca.ca_array_put_callback(
                dbr.DBR_TYPES[write.type],
                write.count,
                at_libca.chid,
                write.raw,
                self.callbacks.put,
                pending.key,
            )
        if status != libca.ECA_NORMAL:
            # libca has rejected it, so there will be no callback.
            self.registry.puts.pop(pending.key, None)
            self._inbox.post(pending.done, status)

    def _check(self, status: int, what: str) -> bool:
        if status != libca.ECA_NORMAL:
            reason = libca.message(status)
            self._log.error("Channel Access could not {what}: {reason}", what=what, reason=reason)
        return bool(status == libca.ECA_NORMAL)
