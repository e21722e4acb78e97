"""What is sent to each IOC, in amounts that it has shown to take.

A request to an IOC that has stopped reading waits inside libca once some 256 KiB (and what fits
into the socket's buffers) are unsent, for half a minute, and all other requests behind it. So
libca is not given more than `WINDOW` of puts until the IOC has answered a request that follows
them. Until then, further requests to this IOC wait here, and those to others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import attrs

from pycawamp.pv.ca import dbr, libca
from pycawamp.pv.ca.state import AtLibca
from pycawamp.pv.values import FieldType

Job: TypeAlias = Callable[[], Any]

WINDOW = 1 << 16
"""Bytes of puts to an IOC that may be unconfirmed."""
HEADER = 16
"""Bytes of a request without its value."""


class Confirmation:
    """A read of one element, of which only the answer matters: the IOC has taken what was before.

    Its attributes are those of a Monitor that a callback needs.
    """

    route = None
    type = dbr.DBR_TYPES[FieldType.STRING]
    count = most = 1
    header = 0
    width = dbr.STRING_SIZE

    def __init__(self, key: int, confirmed: Job) -> None:
        self.key = key
        self._confirmed = confirmed

    def receive(self, _raw: bytes) -> None:
        """Take the answer."""
        self._confirmed()

    def failed(self, _refusal: libca.Refusal) -> None:
        """Handle an answer without a value, or a failure."""
        self._confirmed()


@attrs.define
class Circuit:
    """The requests to one IOC."""

    unconfirmed: int = 0
    """Bytes of puts since the last confirmation."""
    confirmation: Confirmation | None = None
    """The one under way: requests are held until it is answered."""
    held: deque[tuple[AtLibca, int, Job]] = attrs.Factory(deque)


class Circuits:
    """Passes requests to a worker, or holds them while their IOC does not answer.

    Args:
        do: Passes a job to the worker.
        confirm: Reads one element of a channel, and calls a function when the answer has come.
        forget: Called with the key of a confirmation that is not waited for any more.
    """

    def __init__(
        self,
        do: Callable[[Job], None],
        confirm: Callable[[AtLibca, Job], Confirmation],
        forget: Callable[[int], None],
    ) -> None:
        self._do = do
        self._confirm = confirm
        self._forget = forget
        self._circuits: dict[str, Circuit] = {}

    def send(self, at_libca: AtLibca, job: Job, size: int = 0) -> None:
        """Do a request to a channel's IOC, after earlier ones; `size` is that of a put's value."""
        circuit = self._circuits.setdefault(at_libca.host, Circuit())
        if circuit.confirmation is not None:
            circuit.held.append((at_libca, size, job))
        else:
            self._send(circuit, at_libca, size, job)

    def lose(self, host: str) -> None:
        """Handle that an IOC is lost: libca refuses what is sent to it, without waiting."""
        circuit = self._circuits.pop(host, None)
        if circuit is None:
            return
        self._end(circuit)
        # An answer may still come, and must find nothing to do.
        while circuit.held:
            _, _, job = circuit.held.popleft()
            self._do(job)

    def _send(self, circuit: Circuit, at_libca: AtLibca, size: int, job: Job) -> None:
        self._do(job)
        if not size:
            return
        circuit.unconfirmed += size + HEADER
        if circuit.unconfirmed > WINDOW:
            confirmed = partial(self._confirmed, circuit)
            circuit.confirmation = self._confirm(at_libca, confirmed)

    def _confirmed(self, circuit: Circuit) -> None:
        self._end(circuit)
        while circuit.held and circuit.confirmation is None:
            self._send(circuit, *circuit.held.popleft())

    def _end(self, circuit: Circuit) -> None:
        if circuit.confirmation is not None:
            self._forget(circuit.confirmation.key)
        circuit.confirmation = None
        circuit.unconfirmed = 0
