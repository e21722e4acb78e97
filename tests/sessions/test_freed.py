"""What a client had is freed when it leaves, without waiting for the garbage collector.

The service has the collector look at what stays only once an hour: cycles would wait for it.
"""

from __future__ import annotations

import gc
import json
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access import Policy, Writers
from tests.support.garbage import collect
from tests.support.memory_gateway import CONNECT_TIMEOUT, LINGER, World, ask

NAMES = [f"pv{number}" for number in range(50)]


class FreedTests(SynchronousTestCase):
    """Objects of the gateway's own classes, with the collector off."""

    def setUp(self) -> None:
        """Make PVs, and use everything once."""
        self.world = World(Policy(puts=True, writers=Writers.ANYONE))
        for name in NAMES:
            self.world.backend.add(name, 1.0)
        self.visit()
        collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def visit(self) -> None:
        """Have a client subscribe, read, write and leave, until nothing of it lingers."""
        session, page = self.world.open()
        for keys in ({}, {"metadata": True}, {"text": True, "max_rate": 2}):
            request = {"action": "connect", "pvs": [*NAMES, "nowhere"], **keys}
            session.receive(json.dumps(request).encode())
            while session.is_busy:
                session.go_on()
            self.world.flush_cycle()
        for name in NAMES:
            ask(session, "get", name)
            ask(session, "info", name)
            ask(session, "put", name, value=2.0)
            self.world.backend.set(name, 3.0)
        ask(session, "get", "nowhere")
        ask(session, "put", "nowhere", value=1.0)
        self.world.flush_cycle()
        ask(session, "disconnect", NAMES[0])
        page.take()
        session.close()
        self.world.advance(CONNECT_TIMEOUT)
        self.world.advance(LINGER)
        self.world.flush_cycle()

    def test_visits(self) -> None:
        """After clients have come and gone there is no object more than before."""
        before = self.owned()
        for _ in range(3):
            self.visit()
        self.assertEqual(self.owned() - before, Counter())

    def owned(self) -> Counter[str]:
        """How many objects there are of each class of the gateway."""
        kinds = (type(each) for each in gc.get_objects())
        return Counter(
            kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("pycawamp")
        )
