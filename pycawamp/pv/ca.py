"""Channel Access: PVs of real IOCs, by libca.

Three kinds of thread meet here:

- the reactor's, which opens and closes channels and hears of their news;
- one worker of ours, which owns libca's context and makes the CA calls, because
  some of them wait for a lock that libca holds while it calls back;
- libca's own, on which the callbacks come. Those only copy and post.

Callbacks are handed a number, not an object: one that comes after its channel was
cleared finds nothing under the number, where a pointer would lead into freed memory.
"""

from __future__ import annotations

import itertools
from ctypes import byref, string_at
from functools import lru_cache, partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv import dbr, libca
from pycawamp.pv.channel import AtLibca, Channel, ControlMonitor, Monitor, ValueMonitor
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.pending import PendingGet, PendingPut
from pycawamp.pv.repeater import Repeater, ensure_repeater
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.pv.worker import Worker


@implementer(IBackend)
class CABackend:
    """Opens channels by Channel Access, as the EPICS_CA_* environment says at `start`.

    It sees to it that a CA repeater runs; with `own_repeater`, one that ends with it.
    """

    _log = Logger()

    def __init__(self, reactor: Any, inbox: Inbox, own_repeater: bool = False) -> None:
        self._inbox = inbox
        self._own_repeater = own_repeater
        self._repeater: Repeater | None = None
        self._keys = itertools.count(1)
        self._channels: dict[int, Channel] = {}
        self._listeners: dict[int, Monitor | PendingGet] = {}
        self._puts: dict[int, PendingPut] = {}
        self._ca = libca.load()
        self._keeper = libca.ThreadKeeper(self._ca)
        self._worker = Worker(reactor, "Channel Access", self._ca.ca_flush_io)
        # Referenced here for as long as libca may call them.
        self._connection_callback = libca.ConnectionCallback(self._on_connection)
        self._access_callback = libca.AccessCallback(self._on_access)
        self._put_callback = libca.EventCallback(self._on_put)
        self._event_callback = libca.EventCallback(self._on_event)
        self._exception_callback = libca.ExceptionCallback(self._on_exception)

    # The reactor

    def start(self) -> None:
        """Create libca's context: after twistd's fork, which libca's threads do not survive."""
        self._worker.do(self._create_context)
        self._worker.start()

    def stop(self) -> Deferred[None]:
        """Free the context and all in it; fires when its threads are gone."""
        self._channels.clear()
        self._listeners.clear()
        self._puts.clear()
        return self._worker.stop(last=self._destroy_context)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Search for a channel for as long as the handle is open."""
        channel = Channel(name, next(self._keys), sink, self)
        self._channels[channel.key] = channel
        self._worker.do(partial(self._create_channel, channel))
        return channel

    def free(self, channel: Channel) -> None:
        """Clear a channel's subscriptions, then the channel."""
        self._channels.pop(channel.key, None)
        self._worker.do(partial(self._clear_channel, channel))

    def get(self, at_libca: AtLibca, pending: PendingGet, native: Metadata) -> None:
        """Ask for a channel's value; the answer goes to the pending get."""
        self._listeners[pending.key] = pending
        self._worker.do(partial(self._get, at_libca, pending, native))

    def put(self, at_libca: AtLibca, pending: PendingPut) -> None:
        """Write; what becomes of it goes to the pending put."""
        self._puts[pending.key] = pending
        self._worker.do(partial(self._put, at_libca, pending))

    def forget(self, key: int) -> None:
        """Hear no more of a get or put."""
        self._listeners.pop(key, None)
        self._puts.pop(key, None)

    def next_key(self) -> int:
        """A number for something that libca will call back about."""
        return next(self._keys)

    @property
    def kept_threads(self) -> int:
        """How many of libca's threads hold a Python thread state: one per IOC in use."""
        return self._keeper.threads

    # The worker

    def _create_context(self) -> None:
        # Before libca looks for one: it would run one inside this process.
        self._repeater = ensure_repeater(self._own_repeater)
        if self._repeater.problem:
            self._log.warn("{problem}", problem=self._repeater.problem)
        self._check(self._ca.ca_context_create(libca.PREEMPTIVE_CALLBACKS), "create a context")
        self._ca.ca_add_exception_event(self._exception_callback, None)

    def _destroy_context(self) -> None:
        self._ca.ca_context_destroy()
        if self._repeater is not None:
            self._repeater.close()

    def _create_channel(self, channel: Channel) -> None:
        chid = channel.at_libca.chid
        status = self._ca.ca_create_channel(
            channel.name.encode(), self._connection_callback, channel.key, 0, byref(chid)
        )
        if self._check(status, f"create the channel {channel.name}"):
            self._ca.ca_replace_access_rights_event(chid, self._access_callback)
        else:
            channel.at_libca.cleared = True

    def _subscribe(self, channel: Channel, monitors: tuple[Monitor, ...], shape: Any) -> None:
        if channel.at_libca.cleared:
            return
        self._unsubscribe(channel)
        channel.at_libca.subscribed = monitors
        for monitor, (dbr_type, count, mask) in zip(monitors, _requests(*shape), strict=False):
            self._listeners[monitor.key] = monitor
            status = self._ca.ca_create_subscription(
                dbr_type,
                count,
                channel.at_libca.chid,
                mask,
                self._event_callback,
                monitor.key,
                byref(monitor.event_id),
            )
            self._check(status, f"subscribe to {channel.name}")

    def _unsubscribe(self, channel: Channel) -> None:
        for monitor in channel.at_libca.subscribed:
            self._listeners.pop(monitor.key, None)
            if monitor.event_id:
                self._ca.ca_clear_subscription(monitor.event_id)
        channel.at_libca.subscribed = ()

    def _clear_channel(self, channel: Channel) -> None:
        if not channel.at_libca.cleared:
            channel.at_libca.cleared = True
            self._unsubscribe(channel)
            self._ca.ca_clear_channel(channel.at_libca.chid)

    def _get(self, at_libca: AtLibca, pending: PendingGet, native: Metadata) -> None:
        dbr_type, count, _ = _requests(native.type, native.count)[-1]
        status = libca.ECA_DISCONN
        if not at_libca.cleared:
            status = self._ca.ca_array_get_callback(
                dbr_type, count, at_libca.chid, self._event_callback, pending.key
            )
        if status != libca.ECA_NORMAL:
            self._inbox.post(pending.failed, status)

    def _put(self, at_libca: AtLibca, pending: PendingPut) -> None:
        write = pending.write
        status = libca.ECA_DISCONN
        if at_libca.cleared:
            pass
        elif pending.wait:
            status = self._ca.ca_array_put_callback(
                write.type.value,
                write.count,
                at_libca.chid,
                write.raw,
                self._put_callback,
                pending.key,
            )
        else:
            status = self._ca.ca_array_put(write.type.value, write.count, at_libca.chid, write.raw)
        # With completion, libca calls back; else, or if it would not take it, this is all.
        if status != libca.ECA_NORMAL or not pending.wait:
            self._puts.pop(pending.key, None)
            self._inbox.post(pending.done, status)

    def _check(self, status: int, what: str) -> bool:
        if status != libca.ECA_NORMAL:
            reason = libca.message(status)
            self._log.error("Channel Access could not {what}: {reason}", what=what, reason=reason)
        return bool(status == libca.ECA_NORMAL)

    # libca's threads

    def _on_event(self, args: Any) -> None:
        self._keep()
        listener = self._listeners.get(args.usr)
        if listener is None:
            return
        if args.status == libca.ECA_NORMAL:
            size = listener.header + args.count * listener.width
            self._inbox.post_update(listener.handler, string_at(args.dbr, size))
        else:
            self._inbox.post(listener.failed, args.status)

    def _on_put(self, args: Any) -> None:
        self._keep()
        pending = self._puts.pop(args.usr, None)
        if pending is not None:
            self._inbox.post(pending.done, args.status)

    def _keep(self) -> None:
        try:
            self._keeper.local.kept  # noqa: B018
        except AttributeError:
            self._keeper.keep()

    def _on_connection(self, args: Any) -> None:
        self._keep()
        channel = self._channels.get(self._ca.ca_puser(args.chid))
        if channel is None:
            return
        if args.op == libca.OP_CONN_UP:
            native = self._native(args.chid)
            self._inbox.post(channel.connect, (native, self._monitors_for(channel, native)))
        else:
            self._inbox.post(channel.lose, None)

    def _native(self, chid: int) -> Metadata:
        return _native(
            FieldType(self._ca.ca_field_type(chid)),
            self._ca.ca_element_count(chid),
            self._ca.ca_host_name(chid).decode("utf-8", "replace"),
            bool(self._ca.ca_read_access(chid)),
            bool(self._ca.ca_write_access(chid)),
        )

    def _monitors_for(self, channel: Channel, native: Metadata) -> tuple[Monitor, ...]:
        """The channel's monitors: libca renews them by itself unless the type has changed."""
        at_libca = channel.at_libca
        shape = (native.type, native.count)
        if at_libca.shape != shape:
            at_libca.shape = shape
            at_libca.monitors = (ValueMonitor(channel, next(self._keys), native),)
            if dbr.control_size(native.type):
                # First, so that the server sends it first.
                control = ControlMonitor(channel, next(self._keys), native)
                at_libca.monitors = (control, *at_libca.monitors)
            self._worker.do(partial(self._subscribe, channel, at_libca.monitors, shape))
        return at_libca.monitors

    def _on_access(self, args: Any) -> None:
        self._keep()
        channel = self._channels.get(self._ca.ca_puser(args.chid))
        if channel is not None:
            self._inbox.post(channel.set_access, (bool(args.read), bool(args.write)))

    def _on_exception(self, args: Any) -> None:
        reason = libca.message(args.stat)
        context = (args.ctx or b"").decode("utf-8", "replace")
        self._inbox.post(self._log_exception, (reason, context))

    def _log_exception(self, news: tuple[str, str]) -> None:
        reason, context = news
        self._log.warn("Channel Access: {reason} ({context})", reason=reason, context=context)


# Most channels of an IOC are alike in this: they share one value.
_native = lru_cache(maxsize=1024)(Metadata)


def _requests(field_type: FieldType, count: int) -> list[tuple[int, int, int]]:
    """DBR type, count and event mask of each monitor; count 0 asks for the current length."""
    value = (
        field_type.value + libca.TIME_TYPES,
        1 if count == 1 else 0,
        libca.DBE_VALUE | libca.DBE_ALARM,
    )
    if not dbr.control_size(field_type):
        return [value]
    return [(field_type.value + libca.CTRL_TYPES, 1, libca.DBE_PROPERTY), value]
