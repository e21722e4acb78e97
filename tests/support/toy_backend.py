"""A backend in a few lines: `count://N` counts from N, and can be set to another number."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.interfaces import IBackend, IHandle, ISink
from pycawamp.pv.values import FieldType, Metadata, Reading


@implementer(IHandle)
class Counter:
    """One counter: a step every 10 ms."""

    def __init__(self, name: str, sink: ISink) -> None:
        self._sink, self._value = sink, int(name)
        sink.metadata(Metadata(FieldType.LONG, 1))
        sink.connection(True)
        self._steps = LoopingCall(self.put, None, False)
        self._steps.start(0.01)

    def close(self) -> None:
        if self._steps.running:
            self._steps.stop()

    def get(self) -> Deferred[Reading]:
        return succeed(Reading(0, 0, 1, 0, self._value))

    def put(self, value: Any, wait: bool) -> Deferred[None]:
        """Count from another number; None: the next one."""
        if not isinstance(value, int | None):
            return fail(BadValueError("expected a whole number"))
        self._value = self._value + 1 if value is None else value
        return self.get().addCallback(self._sink.reading)


@implementer(IBackend)
class CountingBackend:
    def __init__(self) -> None:
        self._open: list[Counter] = []

    def start(self) -> None:
        pass

    def stop(self) -> Deferred[None]:
        """Stop all counters."""
        for counter in self._open:
            counter.close()
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        self._open.append(Counter(name, sink))
        return self._open[-1]
