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
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from pycawamp.pv import dbr, libca
from pycawamp.pv.channel import Channel, ControlMonitor, Monitor, ValueMonitor
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.pv.worker import Worker


@implementer(IBackend)
class CABackend:
    """Opens channels by Channel Access, as the EPICS_CA_* environment says at `start`."""

    _log = Logger()

    def __init__(self, reactor: Any, inbox: Inbox) -> None:
        self._inbox = inbox
        self._keys = itertools.count(1)
        self._channels: dict[int, Channel] = {}
        self._monitors: dict[int, Monitor] = {}
        self._ca = libca.load()
        self._keeper = libca.ThreadKeeper(self._ca)
        self._worker = Worker(reactor, "Channel Access", self._ca.ca_flush_io)
        # Referenced here for as long as libca may call them.
        self._connection_callback = libca.ConnectionCallback(self._on_connection)
        self._access_callback = libca.AccessCallback(self._on_access)
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
        self._monitors.clear()
        return self._worker.stop(last=self._ca.ca_context_destroy)

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

    @property
    def kept_threads(self) -> int:
        """How many of libca's threads hold a Python thread state: one per IOC in use."""
        return self._keeper.threads

    # The worker

    def _create_context(self) -> None:
        self._check(self._ca.ca_context_create(libca.PREEMPTIVE_CALLBACKS), "create a context")
        self._ca.ca_add_exception_event(self._exception_callback, None)

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
            self._monitors[monitor.key] = monitor
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
            self._monitors.pop(monitor.key, None)
            if monitor.event_id:
                self._ca.ca_clear_subscription(monitor.event_id)
        channel.at_libca.subscribed = ()

    def _clear_channel(self, channel: Channel) -> None:
        if not channel.at_libca.cleared:
            channel.at_libca.cleared = True
            self._unsubscribe(channel)
            self._ca.ca_clear_channel(channel.at_libca.chid)

    def _check(self, status: int, what: str) -> bool:
        if status != libca.ECA_NORMAL:
            reason = self._ca.ca_message(status).decode()
            self._log.error("Channel Access could not {what}: {reason}", what=what, reason=reason)
        return bool(status == libca.ECA_NORMAL)

    # libca's threads

    def _on_event(self, args: Any) -> None:
        self._keep()
        monitor = self._monitors.get(args.usr)
        if monitor is None:
            return
        if args.status == libca.ECA_NORMAL:
            size = monitor.header + args.count * monitor.width
            self._inbox.post_update(monitor.handler, string_at(args.dbr, size))
        else:
            self._inbox.post(monitor.failed, args.status)

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
        return Metadata(
            type=FieldType(self._ca.ca_field_type(chid)),
            count=self._ca.ca_element_count(chid),
            host=self._ca.ca_host_name(chid).decode("utf-8", "replace"),
            read_access=bool(self._ca.ca_read_access(chid)),
            write_access=bool(self._ca.ca_write_access(chid)),
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
        reason = self._ca.ca_message(args.stat).decode("utf-8", "replace")
        context = (args.ctx or b"").decode("utf-8", "replace")
        self._inbox.post(self._log_exception, (reason, context))

    def _log_exception(self, news: tuple[str, str]) -> None:
        reason, context = news
        self._log.warn("Channel Access: {reason} ({context})", reason=reason, context=context)


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
