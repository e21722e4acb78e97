"""ctypes bindings of libca: functions, callback structures, and thread states.

pyepics finds the library (`epics.ca.find_libca`), and `epicscorelibs` makes it that of EPICS 7.
The context is separate from that of pyepics, so an application can use pyepics as well.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_long,
    c_uint,
    c_ulong,
    c_void_p,
)
from typing import Any, NamedTuple

from pycawamp.pv.ca.pyepics import ca, dbr
from pycawamp.pv.errors import LibraryError

ECA_NORMAL: int = dbr.ECA_NORMAL
ECA_BADTYPE = 114
ECA_BADCOUNT = 176
ECA_DISCONN = 192
ECA_NORDACCESS = 368
OP_CONN_UP: int = dbr.OP_CONN_UP
DBE_VALUE: int = dbr.DBE_VALUE
DBE_ALARM: int = dbr.DBE_ALARM
DBE_PROPERTY: int = dbr.DBE_PROPERTY
PREEMPTIVE_CALLBACKS = 1
TIME_TYPES: int = dbr.TIME_STRING - dbr.STRING
"""Offset from a native type's number to its DBR_TIME type."""
CTRL_TYPES: int = dbr.CTRL_STRING - dbr.STRING
"""Offset from a native type's number to its DBR_CTRL type."""

chid_t = c_void_p


class AccessArgs(Structure):
    """struct access_rights_handler_args. The rights are two bit fields; pyepics has a byte."""

    _fields_ = (("chid", chid_t), ("read", c_uint, 1), ("write", c_uint, 1))


class EventArgs(Structure):
    """struct event_handler_args. The count, a long there, is never negative.

    In pyepics, `usr` is a Python object, which libca would pass on after it was freed.
    """

    _fields_ = (
        ("usr", c_void_p),
        ("chid", chid_t),
        ("type", c_long),
        ("count", c_ulong),
        ("dbr", c_void_p),
        ("status", c_int),
    )


class ExceptionArgs(Structure):
    """struct exception_handler_args."""

    _fields_ = (
        ("usr", c_void_p),
        ("chid", chid_t),
        ("type", c_long),
        ("count", c_long),
        ("addr", c_void_p),
        ("stat", c_long),
        ("op", c_long),
        ("ctx", c_char_p),
        ("file", c_char_p),
        ("line", c_uint),
    )


ConnectionCallback = CFUNCTYPE(None, dbr.connection_args)
AccessCallback = CFUNCTYPE(None, AccessArgs)
EventCallback = CFUNCTYPE(None, EventArgs)
ExceptionCallback = CFUNCTYPE(None, ExceptionArgs)
ThreadExitCallback = CFUNCTYPE(None, c_void_p)

_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "ca_context_create": (c_int, [c_int]),
    "ca_context_destroy": (None, []),
    "ca_add_exception_event": (c_int, [ExceptionCallback, c_void_p]),
    "ca_create_channel": (
        c_int,
        [c_char_p, ConnectionCallback, c_void_p, c_uint, POINTER(chid_t)],
    ),
    "ca_replace_access_rights_event": (c_int, [chid_t, AccessCallback]),
    "ca_clear_channel": (c_int, [chid_t]),
    "ca_create_subscription": (
        c_int,
        [c_long, c_ulong, chid_t, c_long, EventCallback, c_void_p, POINTER(c_void_p)],
    ),
    "ca_clear_subscription": (c_int, [c_void_p]),
    "ca_array_get_callback": (c_int, [c_long, c_ulong, chid_t, EventCallback, c_void_p]),
    "ca_array_put_callback": (
        c_int,
        [c_long, c_ulong, chid_t, c_char_p, EventCallback, c_void_p],
    ),
    "ca_array_put": (c_int, [c_long, c_ulong, chid_t, c_char_p]),
    "ca_flush_io": (c_int, []),
    "ca_field_type": (ctypes.c_short, [chid_t]),
    "ca_element_count": (c_ulong, [chid_t]),
    "ca_host_name": (c_char_p, [chid_t]),
    "ca_read_access": (c_uint, [chid_t]),
    "ca_write_access": (c_uint, [chid_t]),
    "ca_puser": (c_void_p, [chid_t]),
    "ca_message": (c_char_p, [c_long]),
    # A function of libCom, in the copy that libca has loaded.
    "epicsAtThreadExit": (c_int, [ThreadExitCallback, c_void_p]),
}


@functools.cache
def load() -> Any:
    """Return the libca that pyepics would use, with the prototypes of the functions used here.

    Raises:
        LibraryError: The library cannot be loaded.
    """
    try:
        library = ctypes.CDLL(ca.find_libca())
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError, ca.ChannelAccessException) as error:
        # glibc's messages name the file.
        raise LibraryError(f"the Channel Access library cannot be used: {error}") from None
    return library


class DBRRequest(NamedTuple):
    """The arguments of a subscription or get."""

    dbr_type: int
    elements: int
    """Number of elements to request; 0: the current number."""
    max_count: int
    """Maximum number of elements in a reply."""


@functools.cache
def value_request(native_type: int, native_count: int) -> DBRRequest:
    """Return the request for a channel's values.

    It is for the current number of elements: if one element is requested, a server invents a 0 when
    there is none.
    """
    return DBRRequest(native_type + TIME_TYPES, 0, native_count or 1)


@functools.cache
def control_request(native_type: int, native_count: int) -> DBRRequest:
    """Return the request for a channel's units, limits or labels."""
    # The metadata arrives with a value; without elements, if that is possible.
    return DBRRequest(native_type + CTRL_TYPES, min(native_count, 1), 1)


def message(status: int) -> str:
    """Return libca's text for an ECA status."""
    text: bytes = load().ca_message(status)
    return text.decode("utf-8", "replace")


class Refusal(NamedTuple):
    """The reason why a server did not send what was requested."""

    status: int
    """The ECA status."""
    reason: str
    """The reason as text."""

    @classmethod
    def by_status(cls, status: int) -> Refusal:
        """Return a refusal with libca's text for an ECA status."""
        return cls(status, message(status))


class ThreadKeeper:
    """Keeps the Python thread state of a libca thread for as long as the thread lives.

    ctypes creates a thread state for each callback on a thread that Python did not start, and
    destroys it afterwards. That is most of the cost of a monitor event (11.9 µs, 1.8 µs without).
    An additional reference keeps the thread state. It is released on that thread when it ends
    (epicsAtThreadExit), so IOCs that reconnect for years leak nothing.
    """

    def __init__(self, library: Any) -> None:
        self._at_thread_exit = library.epicsAtThreadExit
        self._ensure = ctypes.pythonapi.PyGILState_Ensure
        self._release_state = ctypes.pythonapi.PyGILState_Release
        self._exit_callback = ThreadExitCallback(self._release)
        # Stored in the thread state: a new state has no `kept`, whatever its thread's number.
        self.local = threading.local()
        self.threads = 0
        """Number of threads whose state is kept."""

    def keep(self) -> None:
        """Keep the calling thread's state. Call it from a libca callback."""
        self.local.kept = True
        self._ensure()
        self.threads += 1
        self._at_thread_exit(self._exit_callback, None)

    def _release(self, _argument: int | None) -> None:
        # ctypes has another reference during this call, and releases it afterwards.
        self.threads -= 1
        self._release_state(0)
