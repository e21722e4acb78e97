"""Flow control of the requests to each IOC.

If an IOC stops reading, libca blocks a request to it once about 256 KiB (and what fits into the
socket's buffers) are unsent, for half a minute, and all other requests behind it. Therefore at
most `WINDOW` bytes of puts are passed to libca until the IOC has answered a request that follows
them. Until then, requests to this IOC wait here; those to other IOCs do not.
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
"""Maximum bytes of puts to an IOC that may be unconfirmed."""
HEADER = 16
"""Bytes of a request without its value."""


class Confirmation:
    """A read of one element, whose reply shows that the IOC has received earlier requests.

    It has the attributes of a Monitor that a callback needs.
    """

    route = None
    type = dbr.DBR_TYPES[FieldType.STRING]
    count = max_count = 1
    header = 0
    width = dbr.STRING_SIZE

    def __init__(self, key: int, confirmed: Job) -> None:
        self.key = key
        self._confirmed = confirmed

    def receive(self, _raw: bytes) -> None:
        """Handle the reply."""
        self._confirmed()

    def failed(self, _refusal: libca.Refusal) -> None:
        """Handle a reply without a value, or a failure."""
        self._confirmed()


@attrs.define
class Circuit:
    """The requests to one IOC."""

    unconfirmed: int = 0
    """Bytes of puts since the last confirmation."""
    confirmation: Confirmation | None = None
    """The pending confirmation; requests are held until it is answered."""
    held: deque[tuple[AtLibca, int, Job]] = attrs.Factory(deque)


class Circuits:
    """Passes requests to the worker, or holds them while their IOC does not answer.

    Args:
        do: Passes a job to the worker.
        confirm: Reads one element of a channel, and calls a function when the reply has arrived.
        forget: Called with the key of a confirmation that is no longer needed.
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
        """Pass a request to a channel's IOC, after earlier ones.

        Args:
            at_libca: The channel.
            job: Makes the request; called by the worker.
            size: Bytes of the value, for a put.
        """
        circuit = self._circuits.setdefault(at_libca.host, Circuit())
        if circuit.confirmation is not None:
            circuit.held.append((at_libca, size, job))
        else:
            self._send(circuit, at_libca, size, job)

    def lose(self, host: str) -> None:
        """Release held requests: libca rejects requests to a lost IOC without blocking."""
        circuit = self._circuits.pop(host, None)
        if circuit is None:
            return
        self._end(circuit)
        # A reply that still arrives must have no effect.
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
