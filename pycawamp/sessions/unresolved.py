"""Names that no IOC has answered for: they never take what PVs that exist need."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice
from typing import TypeAlias

from zope.interface import implementer

from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IChannelObserver
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.names_in_use import Holder, NamesInUse

GiveUp: TypeAlias = Callable[[Holder, Collection[str]], None]
"""Has a client end its searches for some names."""

AT_ONCE = 100
"""Names that are given up together: finding out whose they are takes its time."""
SHARE = 0.9
"""Of the average."""
ROUNDS = 10
"""How many names are given up, at most, for one new name: clients may share them."""


@implementer(IChannelObserver)
class UnresolvedNames:
    """Lets clients search for names, within limits for each client, each address, and in all.

    A PV that exists is unresolved too until it is found. So where a limit that clients share is
    reached, the one that holds most gives up its oldest names, unless that is the one who asks.
    A name that a client has left is counted for as long as its channel lingers.
    """

    def __init__(self, hub: PVHub, limits: Limits, give_up: GiveUp) -> None:
        self._hub = hub
        self._limits = limits
        self._end_searches = give_up
        self._names = NamesInUse()
        hub.observers.append(self)

    def admit(self, name: str, holder: Holder) -> str | None:
        """Record that a client searches for a name; return why it may not, or None."""
        own = self._names.of_client(holder)
        if name in own or self._hub.has_found(name):
            return None
        if len(own) >= self._limits.unresolved:
            return "too many PVs that no IOC has answered for"
        for _ in range(ROUNDS):
            problem = self._problem(name, holder)
            if problem is None:
                self._names.add(name, holder)
                return None
            if not self._make_room(name, holder):
                break
        return problem

    def leave(self, holder: Holder) -> None:
        """Forget a client: what it searched for counts in all until its channels are closed."""
        for name in list(self._names.of_client(holder)):
            if name in self._hub:
                self._names.remove(name, holder)
            else:
                self._names.discard(name)

    def found(self, name: str) -> None:
        """Count a name no more: an IOC has answered."""
        self._names.discard(name)

    def closed(self, name: str) -> None:
        """Count a name no more: it is not searched for any more."""
        self._names.discard(name)

    def _problem(self, name: str, holder: Holder) -> str | None:
        """Which limit that clients share forbids one name more."""
        if self._address_is_full(name, holder):
            return "too many PVs of your address that no IOC has answered for"
        if name in self._hub:
            return None
        if len(self._names) >= self._limits.unresolved_in_all:
            return "too many PVs of all clients that no IOC has answered for"
        if len(self._hub) >= self._limits.channels:
            return "the gateway has as many PVs open as it may"
        return None

    def _address_is_full(self, name: str, holder: Holder) -> bool:
        names = self._names.of_address(holder.address)
        return name not in names and len(names) >= self._limits.unresolved_per_address

    def _make_room(self, name: str, holder: Holder) -> bool:
        """End some searches; return False if the client has its share already."""
        names, address = self._names, holder.address
        if not self._address_is_full(name, holder):
            if self._hub.close_idle_searches(AT_ONCE):
                return True
            own = len(names.of_address(address))
            if own < _share(len(names), len(names.addresses)):
                largest = max(names.addresses, key=lambda each: len(names.of_address(each)))
                excess = len(names.of_address(largest)) - own
                return self._give_up(self._largest_client(largest), excess)
        own = len(names.of_client(holder))
        if own < _share(len(names.of_address(address)), len(names.clients(address))):
            victim = self._largest_client(address)
            return self._give_up(victim, len(names.of_client(victim)) - own)
        return False

    def _largest_client(self, address: str) -> Holder:
        names = self._names
        return max(names.clients(address), key=lambda each: len(names.of_client(each)))

    def _give_up(self, victim: Holder, excess: int) -> bool:
        """End some searches of a client that has more than this one."""
        names = list(islice(self._names.of_client(victim), min(AT_ONCE, excess // 2)))
        for name in names:
            self._names.remove(name, victim)
        if names:
            self._end_searches(victim, set(names))
            self._hub.close_idle_searches(len(names))
        return bool(names)


def _share(number: int, holders: int) -> float:
    """What each may have when others have to give way.

    A little less than the average, so that the largest has several more, which are given up
    together: to look for the largest takes its time, and so does to end subscriptions.
    """
    return SHARE * number / max(holders, 1)
