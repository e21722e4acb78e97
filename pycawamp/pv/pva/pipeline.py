"""The flow control of monitors: servers send a number of updates, then wait for acknowledgement."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from pycawamp.pv.delay import DelayLine
from pycawamp.pv.pva import messages
from pycawamp.pv.pva.circuit import Circuit
from pycawamp.pv.pva.direct import DirectMonitor
from pycawamp.pv.pva.messages import PIPELINE, START, Command

QUEUE = 8
"""Number of updates that a server may send ahead."""
ACKNOWLEDGED = QUEUE // 2
"""Number of updates after which an acknowledgement is sent."""
SILENCE = 1.0
"""Seconds after which a server that may be waiting is asked to continue."""
BURST = 0.1
"""Seconds between two acknowledgements of a burst: less than most PVs take for as many updates."""
SILENCE_AFTER_BURST = 0.25
"""The same after a burst, when it is likely that the server is waiting."""
COMPARED = QUEUE + 4
"""Number of updates after that which are ignored if nothing has changed."""
FEWEST = QUEUE - ACKNOWLEDGED + 1
"""Number of updates after which a server may wait again: up to three earlier ones may not have been
acknowledged."""
ACKNOWLEDGED_TO_QSRV_1 = 2
"""The same for servers that number their types, as pvAccessCPP does: QSRV 1 sends two ahead,
whatever it is asked for."""

Mark: TypeAlias = tuple[int, int]
"""What changes with every update: the number of acknowledgements, and that of updates since."""


class IPipelineOwner(Protocol):
    """The part of the backend that pipelines need."""

    watched: DelayLine[tuple[Pipeline, Mark]]
    bursts: DelayLine[tuple[Pipeline, Mark]]

    def seconds(self) -> float:
        """Return the reactor's time."""


class Pipeline:
    """Acknowledges a monitor's updates, and makes the server continue if it may be waiting."""

    __slots__ = (
        "_acknowledged_at",
        "_acknowledgement",
        "_acknowledgements",
        "_backend",
        "_circuit",
        "_is_burst",
        "_is_watched",
        "_number",
        "_server_id",
        "compared",
        "direct",
        "most",
        "unacknowledged",
    )

    def __init__(
        self, circuit: Circuit, server_id: int, number: int, backend: IPipelineOwner
    ) -> None:
        self._circuit = circuit
        self._server_id = server_id
        self._number = number
        self._backend = backend
        self._acknowledgement = b""
        self._acknowledgements = 0
        self._acknowledged_at = 0.0
        self._is_watched = False
        self._is_burst = False
        self.most = ACKNOWLEDGED
        """Number of updates to acknowledge at once."""
        self.unacknowledged = 0
        """Number of updates that were not acknowledged, besides those of `direct`."""
        self.compared = 0
        """Number of the next updates that are to be ignored if nothing has changed."""
        self.direct: DirectMonitor | None = None
        """Takes most of the updates."""

    def open(self) -> None:
        """Set what is sent: the server has described its types, as not all servers do."""
        if self._circuit.types.has_numbers:
            self.most = ACKNOWLEDGED_TO_QSRV_1
        order = self._circuit.order
        rest = bytes((PIPELINE,)) + order.u32.pack(self.most)
        self._acknowledgement = messages.operation(
            Command.MONITOR, self._server_id, self._number, rest, order
        )

    def start(self) -> None:
        """Start the subscription, or start it again."""
        self._circuit.request(Command.MONITOR, self._server_id, self._number, bytes((START,)))

    def arrived(self) -> None:
        """Count an update, and acknowledge it with those before."""
        self.unacknowledged += 1
        if self.unacknowledged >= self.most:
            self.unacknowledged = 0
            self.acknowledge()

    def acknowledge(self) -> None:
        """Acknowledge a number of updates to the server."""
        # The message is always the same, so it is built once.
        self._acknowledgements += 1
        self._circuit.send(self._acknowledgement)
        before, self._acknowledged_at = self._acknowledged_at, self._backend.seconds()
        is_quick = self._acknowledged_at - before < SILENCE
        # A busy gateway acknowledges as rarely as for a PV with few updates.
        if (is_quick or self._circuit.backlog.behind_at >= before) and not self._is_watched:
            self._is_watched = True
            self._backend.watched.put((self, self._mark))
        if self._acknowledged_at - before < BURST and not self._is_burst:
            self._is_burst = True
            self._backend.bursts.put((self, self._mark))

    @property
    def _mark(self) -> Mark:
        count = self.direct.count if self.direct is not None else 0
        return self._acknowledgements, self.unacknowledged + count

    def check(self, mark: Mark) -> None:
        """Make the server continue if it may be waiting and nothing has arrived since a mark."""
        if not self._circuit.is_under_way(self._number):
            return
        if mark != self._mark:
            self._backend.watched.put((self, self._mark))
        else:
            self._is_watched = False
            self._restart()

    def check_after_burst(self, mark: Mark) -> None:
        """Do the same after a shorter time."""
        self._is_burst = False
        if not self._circuit.is_under_way(self._number):
            return
        if mark == self._mark:
            self._restart()
        elif mark[0] != self._acknowledgements:
            self._is_burst = True
            self._backend.bursts.put((self, self._mark))

    def _restart(self) -> None:
        """Start the subscription again.

        A pvxs server that has waited sends a held update only with the next posted value, not when
        it receives the acknowledgement: otherwise the newest value could be held back forever.
        """
        if self.compared > COMPARED - FEWEST:
            # Since the last restart, the server has sent too few updates to be waiting.
            return
        self.compared = COMPARED
        # The monitor will compare the next updates.
        self._circuit.backlog.updates.pop(self._number, None)
        if self.direct is not None:
            self.direct.disarm()
        self.start()
