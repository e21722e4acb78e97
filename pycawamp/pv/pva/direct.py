"""Monitors of numbers whose updates go through the inbox, and bypass Python if possible."""

from __future__ import annotations

from typing import Any

from pycawamp.pv.direct import Direct, Fields
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.intake import Intake
from pycawamp.pv.interfaces import IRoutedSink, ISink
from pycawamp.pv.number_routes import NumberRoutes
from pycawamp.pv.pva.description import Description
from pycawamp.pv.pva.layout import Plan
from pycawamp.pv.pva.messages import Command, Message
from pycawamp.pv.routes import DirectStream

MONITOR = int(Command.MONITOR)


class DirectUpdates:
    """The direct updates of a connection."""

    def __init__(self, inbox: Inbox, intake: Intake) -> None:
        self.intake = intake
        self.post = inbox.post
        self._updates = intake.updates()
        self._routes: dict[Description, NumberRoutes] = {}
        self.take = self._updates.take
        self.take_due = self._updates.take_due
        self.listen = self._updates.listen
        self.forget = self._updates.forget

    def hold(self, message: Message) -> None:
        """Leave further messages of a monitor to Python until this one was handled."""
        command, order, buffer, start, end = message
        if command == MONITOR and end - start >= order.u32.size:
            self._updates.hold(order.u32.unpack_from(buffer, start)[0])

    def routes(self, description: Description) -> NumberRoutes:
        """Return what makes the routes of a type's updates."""
        found = self._routes.get(description)
        if found is None:
            found = self._routes[description] = NumberRoutes(self.intake, description.value_code)
        return found


class DirectMonitor:
    """A monitor of a number: passes its state to the compiled part and back."""

    __slots__ = (
        "_decode",
        "_description",
        "_direct",
        "_form",
        "_intake",
        "_is_open",
        "_sink",
        "_subscription",
        "route",
    )

    def __init__(
        self,
        updates: DirectUpdates,
        number: int,
        description: Description,
        acknowledged: int,
        sink: ISink,
    ) -> None:
        self._description = description
        self._sink: ISink | None = sink
        self._is_open = False
        self._intake = updates.intake
        routes = updates.routes(description)
        self._form, self._decode = routes.form, routes.decode
        self.route = routes.route(self)
        self._subscription = self._intake.listen(
            self._form.type, 1, 0, 0, self, _refuse, self.route
        )
        self._direct: Direct = updates.listen(number, self._form, self._subscription, acknowledged)

    def open(self) -> None:
        """Let updates use the route: the sink will be notified of the connection next."""
        if self._sink is not None and IRoutedSink.providedBy(self._sink):
            self._is_open = True
            self._sink.routed(self.route)

    def close(self) -> None:
        """Stop passing on updates."""
        self._sink = None
        self._intake.forget(self._subscription)
        self.route.close()

    def add(self, bits: bytes, plan: Plan) -> None:
        """Handle the updates of a plan from now on."""
        leaves = self._description.leaves(plan)
        if leaves is not None:
            self._form.add(bits, leaves)

    @property
    def count(self) -> int:
        """Updates that were taken and not acknowledged."""
        return self._direct.count

    def take(self, state: list[Any]) -> int:
        """Bring a state up to date; return how many updates were not acknowledged."""
        count, fields = self._direct.take()
        if fields is not None:
            self._description.store(fields, state)
        return count

    def release(self, count: int, state: list[Any] | None) -> None:
        """Continue after `take`, with a new state or without one."""
        fields: Fields | None = None if state is None else self._description.leaf_values(state)
        self._direct.release(count, fields)

    def disarm(self) -> None:
        """Let Python handle the next message."""
        self._direct.disarm()

    def receive(self, raw: bytes, /) -> None:
        """Pass on an update that does not use the route."""
        if self._sink is not None:
            self._sink.reading(self._decode(raw))

    def direct_streams(self) -> list[DirectStream] | None:
        """Return the streams that get all updates; None if the sink has to receive them."""
        streams: list[DirectStream] | None = None
        if self._is_open and self._sink is not None and IRoutedSink.providedBy(self._sink):
            streams = self._sink.direct_streams()
        return streams


def _refuse(_monitor: DirectMonitor, _status: int, _type: int, _count: int) -> None:
    """Do nothing: only libca refuses."""
