"""Requests that are passed on, and requests that are held until their IOC has answered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.ca.circuits import WINDOW, Circuits, Confirmation, Job
from pycawamp.pv.ca.state import AtLibca


class CircuitTests(SynchronousTestCase):
    """Requests to two IOCs."""

    def setUp(self) -> None:
        """Collect the executed requests."""
        self.done: list[str] = []
        self.confirmations: list[Confirmation] = []
        self.forgotten: list[int] = []
        self.circuits = Circuits(lambda job: job(), self.confirm, self.forgotten.append)
        self.channel, self.other = AtLibca(host="a:1"), AtLibca(host="b:1")

    def confirm(self, _at_libca: AtLibca, confirmed: Job) -> Confirmation:
        """Request a confirmation, which the test gives."""
        self.confirmations.append(Confirmation(len(self.confirmations), confirmed))
        return self.confirmations[-1]

    def send(self, *names: str, size: int = 0, to: AtLibca | None = None) -> None:
        """Send requests."""
        for name in names:

            def job(name: str = name) -> None:
                self.done.append(name)

            self.circuits.send(to or self.channel, job, size)

    def test_window(self) -> None:
        """Beyond the window, requests of any kind are held, in order, until the answer arrives."""
        self.send("small", size=8)
        self.send("large", size=WINDOW)
        self.send("next", size=WINDOW)
        self.send("get")
        self.send("last", size=8)
        self.send("other", to=self.other)
        self.assertEqual(self.done, ["small", "large", "other"])
        self.confirmations[0].receive(b"")
        self.assertEqual(self.done, ["small", "large", "other", "next"])
        self.confirmations[1].failed(None)  # type: ignore[arg-type]
        self.assertEqual(self.done[-2:], ["get", "last"])
        self.assertEqual((len(self.confirmations), self.forgotten), (2, [0, 1]))

    def test_small(self) -> None:
        """Many small puts fill a window too."""
        sizes = 3 * [WINDOW // 3]
        for size in sizes:
            self.send("put", size=size)
        self.send("held")
        self.assertEqual(self.done, 3 * ["put"])

    def test_lost(self) -> None:
        """When the IOC is lost, held requests are passed on; a late answer has no effect."""
        self.send("large", size=WINDOW)
        self.send("clear", "put")
        self.circuits.lose("b:1")
        self.assertEqual(self.done, ["large"])
        self.circuits.lose("a:1")
        self.assertEqual(self.done, ["large", "clear", "put"])
        self.send("again", size=WINDOW)
        self.send("held")
        self.confirmations[0].receive(b"")
        self.assertEqual(self.done, ["large", "clear", "put", "again"])
