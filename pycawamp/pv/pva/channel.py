"""A pvAccess channel: its search, its server, and its requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from pycawamp.pv.errors import BadValueError, NotConnectedError
from pycawamp.pv.interfaces import IHandle, ISink
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.encode import encode
from pycawamp.pv.pva.environment import Address
from pycawamp.pv.pva.monitor import IMonitorOwner, Monitor
from pycawamp.pv.pva.requests import PendingGet, Puts
from pycawamp.pv.pva.search import Search, Searcher
from pycawamp.pv.pva.wire import DecodeError, RequestStatus
from pycawamp.pv.values import Reading

STEADY = 5.0
"""Seconds after which a lost connection is made again immediately."""
QUIET = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until a refused channel or monitor is requested again."""


class IClient(IMonitorOwner, Protocol):
    """The part of the backend that a channel needs."""

    searcher: Searcher

    def circuit(self, address: Address) -> Circuit:
        """Return the connection to a server; connects if necessary."""

    def forget(self, channel: Channel) -> None:
        """Remove a closed channel."""

    def call_later(self, seconds: float, function: Callable[[], None]) -> IDelayedCall:
        """Call a function later."""


@implementer(IHandle)
class Channel:
    """A channel: searched for, opened and monitored until the handle is closed."""

    __slots__ = (
        "_attempts",
        "_backend",
        "_circuit",
        "_connected_at",
        "_gets",
        "_is_closed",
        "_monitor",
        "_number",
        "_puts",
        "_reported",
        "_retry",
        "_search",
        "_server_id",
        "_sink",
        "_write_access",
        "name",
    )

    def __init__(self, name: str, sink: ISink, backend: IClient) -> None:
        self.name = name.encode()
        self._sink = sink
        self._backend = backend
        self._circuit: Circuit | None = None
        self._number = 0
        self._server_id: int | None = None
        self._search: Search | None = None
        self._monitor: Monitor | None = None
        self._retry: IDelayedCall | None = None
        self._attempts = 0
        self._connected_at = 0.0
        self._is_closed = False
        self._reported: bool | str | None = None
        self._write_access: bool | None = None
        # Most channels are never written, nor read but by their monitor.
        self._puts: Puts | None = None
        self._gets: tuple[PendingGet, ...] = ()

    # The handle

    def open(self, delay: int = 0) -> None:
        """Search for a server; `delay` is the number of delays to skip."""
        # The sink may close it within a call.
        if not self._is_closed:
            self._search = self._backend.searcher.open(self.name, self._found, delay)

    def close(self) -> None:
        """Close the channel; the sink is no longer called."""
        self._backend.forget(self)
        if self._search is not None:
            self._backend.searcher.close(self._search)
            self._search = None
        circuit, server_id = self._circuit, self._server_id
        self.drop()
        if circuit is not None:
            circuit.close_channel(self._number, server_id)

    def drop(self) -> None:
        """Release everything because the gateway stops."""
        self._is_closed = True
        self._cancel_retry()
        self._leave()

    def get(self) -> Deferred[Reading]:
        """Read the current value from the server."""
        if self._circuit is None or self._server_id is None:
            return fail(NotConnectedError("no IOC serves it now"))
        pending = PendingGet(self._circuit, self._server_id)
        self._gets = (*self._gets, pending)
        pending.begin()

        def got(answer: Any) -> Any:
            self._gets = tuple(other for other in self._gets if other is not pending)
            return answer

        return pending.answer.addBoth(got)

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Write a value, see `IHandle.put`."""
        monitor = self._monitor
        if self._circuit is None or self._server_id is None or monitor is None:
            return fail(NotConnectedError("no IOC serves it now"))
        if monitor.description is None or monitor.metadata is None:
            return fail(NotConnectedError("the server has not sent the type yet"))
        try:
            write = encode(monitor.description, monitor.metadata, value)
        except BadValueError as error:
            return fail(error)
        if self._puts is None:
            self._puts = Puts(self._circuit, self._server_id)
        return self._puts.complete(write) if wait else self._puts.send(write)

    # Events of the circuit

    def _found(self, address: Address) -> None:
        self._search = None
        self._circuit = self._backend.circuit(address)
        self._number = self._circuit.open_channel(self)

    def created(self, server_id: int) -> None:
        """Subscribe."""
        if self._server_id is not None:
            raise DecodeError("the channel was created twice")
        self._server_id = server_id
        self._subscribe()

    def not_created(self, status: RequestStatus) -> None:
        """Report the reason, and search again later."""
        circuit = self._circuit
        self._leave()
        if circuit is not None:
            circuit.close_channel(self._number, None)
        self.report(status.text or "the server refused the channel")
        self._try_again(self.open)

    def destroyed(self) -> None:
        """Search again."""
        self.lost()

    def set_access(self, write: bool) -> None:
        """Report whether the server allows this client to write."""
        self._write_access = write
        if self._monitor is not None:
            self._monitor.set_access(write)

    def lost(self) -> None:
        """Report that the channel was lost, and search again."""
        was_steady = (
            self._reported is True and self._backend.seconds() - self._connected_at > STEADY
        )
        self._leave()
        self._cancel_retry()
        if self._reported is not None:
            self.report(False)
        # With increasing delays, if its server cannot be reached, or connections soon end.
        self._attempts = 0 if was_steady else self._attempts + 1
        self.open(self._attempts + 1 if self._attempts > 1 else 0)

    def report(self, state: bool | str) -> None:
        """Report once to the sink that the channel is connected, lost, or refused."""
        if state == self._reported:
            return
        self._reported = state
        if isinstance(state, str):
            self._sink.refused(state)
        else:
            self._sink.connection(state)

    def _leave(self) -> None:
        """Release the server and all pending requests."""
        circuit, self._circuit = self._circuit, None
        monitor, self._monitor = self._monitor, None
        self._server_id = None
        self._write_access = None
        if circuit is not None and monitor is not None:
            circuit.forget(monitor.number)
        if monitor is not None:
            monitor.close()
        puts, self._puts = self._puts, None
        if puts is not None:
            puts.lose()
        for pending in self._gets:
            pending.fail(NotConnectedError("the IOC was lost"))

    # The monitor

    def _subscribe(self) -> None:
        assert self._circuit is not None and self._server_id is not None
        self._monitor = Monitor(self, self._circuit, self._server_id, self._sink, self._backend)
        self._monitor.begin(self._write_access)

    def monitor_failed(self, text: str) -> None:
        """Report why the server sends no updates, and subscribe again later."""
        if self._monitor is not None and self._circuit is not None:
            self._circuit.forget(self._monitor.number)
            self._monitor.close()
        self._monitor = None
        self.report(text)
        self._try_again(self._subscribe)

    def monitor_works(self) -> None:
        """Report that the channel is connected: the first update has arrived."""
        self._connected_at = self._backend.seconds()
        self.report(True)

    def _try_again(self, function: Any) -> None:
        self._cancel_retry()
        if self._is_closed:
            return
        delay = QUIET[min(self._attempts, len(QUIET) - 1)]
        self._attempts += 1

        def retry() -> None:
            self._retry = None
            function()

        self._retry = self._backend.call_later(delay, retry)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
