"""The callbacks of libca, which run on libca's own threads.

Callbacks get a number as user data, not a pointer to an object: a callback that arrives after its
channel was cleared finds nothing under its number, where a pointer would refer to freed memory.
A callback copies its data, posts it to the reactor, and returns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from ctypes import string_at
from functools import lru_cache
from typing import Any, TypeAlias

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.channel import Channel
from pycawamp.pv.ca.circuits import Confirmation
from pycawamp.pv.ca.monitors import ControlMonitor, Monitor, ValueMonitor
from pycawamp.pv.ca.refusals import RefusalLog
from pycawamp.pv.ca.requests import PendingGet, PendingPut
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.intake import Intake
from pycawamp.pv.values import Metadata

Listener: TypeAlias = "Monitor | PendingGet | Confirmation"
Subscribe: TypeAlias = Callable[[Channel, tuple[Monitor, ...]], None]


class Registry:
    """The channels and requests that callbacks are about, by number.

    With an intake, it chooses the numbers of listeners.
    """

    def __init__(self, intake: Intake | None = None) -> None:
        self._intake = intake
        self.channels: dict[int, Channel] = {}
        self.listeners: dict[int, Listener] = {}
        self.puts: dict[int, PendingPut] = {}
        self._keys = itertools.count(1)

    def next_key(self) -> int:
        """Return a unique number."""
        return next(self._keys)

    def listen(self, listener: Listener) -> None:
        """Deliver events to a subscription or get, whose key may change."""
        if self._intake is None:
            self.listeners[listener.key] = listener
        else:
            listener.key = self._intake.listen(
                listener.type,
                listener.max_count,
                listener.header,
                listener.width,
                listener,
                _refuse,
                listener.route,
            )

    def forget(self, key: int) -> None:
        """Stop delivering events to a subscription, get or put."""
        self.listeners.pop(key, None)
        self.puts.pop(key, None)
        if self._intake is not None:
            self._intake.forget(key)

    def clear(self) -> None:
        """Stop delivering all events."""
        self.channels.clear()
        self.listeners.clear()
        self.puts.clear()
        if self._intake is not None:
            self._intake.forget_all()


class Callbacks:
    """The callback functions for libca. Keep a reference for as long as libca may call them.

    `subscribe` subscribes to a channel's monitors; it is called on libca's threads.
    """

    def __init__(
        self,
        library: Any,
        inbox: Inbox,
        registry: Registry,
        refusals: RefusalLog,
        subscribe: Subscribe,
    ) -> None:
        self._ca = library
        self._inbox = inbox
        self._registry = registry
        self._refusals = refusals
        self._subscribe = subscribe
        self._keeper = libca.ThreadKeeper(library)
        self.connection = libca.ConnectionCallback(self._on_connection)
        self.access = libca.AccessCallback(self._on_access)
        intake = inbox.intake
        self.event = libca.EventCallback(intake.callback if intake else self._on_event)
        self.put = libca.EventCallback(self._on_put)
        self.exception = libca.ExceptionCallback(self._on_exception)

    @property
    def kept_threads(self) -> int:
        """Number of libca's threads that keep a Python thread state."""
        return self._keeper.threads

    def _keep(self) -> None:
        try:
            self._keeper.local.kept  # noqa: B018
        except AttributeError:
            self._keeper.keep()

    def _on_event(self, args: Any) -> None:
        self._keep()
        listener = self._registry.listeners.get(args.usr)
        if listener is None:
            return
        if args.status != libca.ECA_NORMAL:
            self._inbox.post_update(listener.failed, libca.Refusal.by_status(args.status))
            return
        count = args.count
        # Type and count are what the server claims: libca passes them on unchecked.
        if args.type == listener.type and count <= listener.max_count:
            size = listener.header + count * listener.width
            self._inbox.post_update(listener.receive, string_at(args.dbr, size))
        else:
            self._inbox.post_update(listener.failed, _mismatch(listener, args.type, count))

    def _on_put(self, args: Any) -> None:
        self._keep()
        pending = self._registry.puts.pop(args.usr, None)
        if pending is not None:
            self._inbox.post(pending.done, args.status)

    def _on_connection(self, args: Any) -> None:
        self._keep()
        channel = self._registry.channels.get(self._ca.ca_puser(args.chid))
        if channel is None:
            return
        if args.op == libca.OP_CONN_UP:
            native = self._native(args.chid)
            self._inbox.post(channel.connect, (native, self.monitors(channel, native)))
        else:
            self._inbox.post(channel.lose, None)

    def _native(self, chid: int) -> Metadata:
        return _native(
            dbr.FIELD_TYPES[self._ca.ca_field_type(chid)],
            self._ca.ca_element_count(chid),
            self._ca.ca_host_name(chid).decode("utf-8", "replace"),
            bool(self._ca.ca_read_access(chid)),
            bool(self._ca.ca_write_access(chid)),
        )

    def monitors(self, channel: Channel, native: Metadata) -> tuple[Monitor, ...]:
        """Return the channel's monitors; libca renews them unless the type has changed."""
        at_libca = channel.at_libca
        shape = (native.type, native.count)
        if at_libca.shape != shape:
            at_libca.shape = shape
            key = self._registry.next_key()
            at_libca.monitors = (ValueMonitor(channel, key, native, self._inbox.intake),)
            if dbr.control_size(native.type):
                # Metadata first, so that the server sends it first.
                control = ControlMonitor(channel, self._registry.next_key(), native)
                at_libca.monitors = (control, *at_libca.monitors)
            self._subscribe(channel, at_libca.monitors)
        return at_libca.monitors

    def _on_access(self, args: Any) -> None:
        self._keep()
        channel = self._registry.channels.get(self._ca.ca_puser(args.chid))
        if channel is not None:
            self._inbox.post(channel.set_access, (bool(args.read), bool(args.write)))

    def _on_exception(self, args: Any) -> None:
        context = source = (args.ctx or b"").decode("utf-8", "replace")
        channel = None
        if args.chid:
            channel = self._registry.channels.get(self._ca.ca_puser(args.chid))
        if channel is not None:
            source = self._ca.ca_host_name(args.chid).decode("utf-8", "replace")
            context = f"{channel.name} of {source}"
        line = f"Channel Access: {libca.message(args.stat)} ({context})"
        # Under load, only the newest is kept.
        self._inbox.post_update(self._log_exception, (source, args.stat, line))

    def _log_exception(self, event: tuple[str, int, str]) -> None:
        self._refusals.write(*event)


def _refuse(listener: Listener, status: int, dbr_type: int, count: int) -> None:
    """Report an invalid event to its listener, on the reactor."""
    if status != libca.ECA_NORMAL:
        listener.failed(libca.Refusal.by_status(status))
    else:
        listener.failed(_mismatch(listener, dbr_type, count))


def _mismatch(listener: Listener, dbr_type: int, count: int) -> libca.Refusal:
    """Return how a reply differs from the requested type and count."""
    if dbr_type != listener.type:
        reason = f"it sent DBR type {dbr_type}, not {listener.type} as requested"
        return libca.Refusal(libca.ECA_BADTYPE, reason)
    reason = f"it sent {count} elements; the PV has at most {listener.max_count}"
    return libca.Refusal(libca.ECA_BADCOUNT, reason)


# Equal for most channels of an IOC, which share one value.
_native = lru_cache(maxsize=1024)(Metadata)
