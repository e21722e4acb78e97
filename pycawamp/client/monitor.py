"""The command `monitor`."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from pycawamp.client import jsonlines, show
from pycawamp.client.arguments import Arguments
from pycawamp.client.client import GatewayClient
from pycawamp.client.console import Console
from pycawamp.client.listener import IListener
from pycawamp.client.values import GatewayError, History, Update
from pycawamp.pv.values import Metadata


@implementer(IListener)
class MonitorCommand:
    """Prints updates of PVs, and when they connect and disconnect."""

    def __init__(self, clock: IReactorTime, arguments: Arguments, console: Console) -> None:
        self.done: Deferred[None] = Deferred()
        """Fires when the command has finished."""
        self._clock = clock
        self._arguments = arguments
        self._console = console
        self._left = arguments.count
        self._metadata: dict[str, Metadata] = {}
        self._reported: dict[str, bool] = {}
        self._reason: Callable[[str], str | None] = lambda _: None
        self._refused: set[str] = set()

    def start(self, client: GatewayClient) -> None:
        """Subscribe to all PVs; report after the timeout which were not found."""
        self._reason = client.reason
        names = dict.fromkeys(self._arguments.names)
        for name in names:
            client.subscribe(
                name,
                self,
                text=self._arguments.json,
                max_rate=self._arguments.max_rate,
                history=self._arguments.history,
            )
        late = self._clock.callLater(self._arguments.timeout, self._report_missing)
        self._console.closed.addCallback(lambda _: self._finish())
        self.done.addBoth(_stop, late)

    @property
    def status(self) -> int:
        """The exit status."""
        return 1 if self._refused or self._console.failed else 0

    # Called by the client

    def connection(self, name: str, connected: bool) -> None:
        """Print that a PV was not found or has disconnected; as JSON, each change."""
        before = self._reported.get(name)
        if connected is before:
            return
        self._reported[name] = connected
        reason = None if connected else self._reason(name)
        if self._arguments.json:
            self._console.line(jsonlines.connection(name, connected, reason))
        elif not connected:
            line = show.not_connected_line if before is None else show.disconnected_line
            self._console.line(line(name, reason))

    def metadata(self, name: str, metadata: Metadata) -> None:
        """Store the metadata, for formatting."""
        self._metadata[name] = metadata

    def history(self, name: str, history: History) -> None:
        """Print the updates before the first one; they do not count."""
        if self.done.called:
            return
        if self._arguments.json:
            self._console.line(jsonlines.history(history))
            return
        for line in show.history_lines(history, self._metadata.get(name), self._arguments.style):
            self._console.line(line)

    def update(self, name: str, update: Update) -> None:
        """Print an update."""
        if self.done.called:
            return
        if self._arguments.json:
            self._console.line(jsonlines.update("monitor", update))
        else:
            metadata = self._metadata.get(name)
            self._console.line(show.wide_line(update, metadata, self._arguments.style))
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._finish()

    def error(self, name: str, error: GatewayError) -> None:
        """Print that the gateway refuses a PV; end if it refuses all."""
        self._console.complain_of(name, error)
        if error.code == "refused":
            return  # Refused by the IOC, which may send the value later.
        self._refused.add(name)
        if self._refused >= set(self._arguments.names):
            self._finish()

    def _report_missing(self) -> None:
        for name in dict.fromkeys(self._arguments.names):
            if name not in self._reported and name not in self._refused:
                self.connection(name, False)

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(None)


def _stop(result: None, call: IDelayedCall) -> None:
    if call.active():
        call.cancel()
    return result
