"""Names that no IOC has answered for; limited so that PVs that exist are always found."""

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
"""Ends a client's searches for some names."""

NAMES_PER_STEP = 100
"""Names that are given up together, because finding the client with most names takes time."""
SHARE = 0.9
"""The share of a client, as a fraction of the average."""
ROUNDS = 10
"""Maximum number of attempts to make room for one new name: clients may share names."""


@implementer(IChannelObserver)
class UnresolvedNames:
    """Allows clients to search for names, within limits per client, per address, and in total.

    A PV that exists is also unresolved until it is found. Therefore, when a shared limit is
    reached, the client with most unresolved names loses its oldest ones, unless it is the one that
    requests another. A name without clients counts until its channel is closed.
    """

    def __init__(self, hub: PVHub, limits: Limits, give_up: GiveUp) -> None:
        self._hub = hub
        self._limits = limits
        self._end_searches = give_up
        self._names = NamesInUse()
        hub.observers.append(self)

    def reserve(self, name: str, holder: Holder) -> str | None:
        """Record that a client searches for a name; return a reason if it may not."""
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
        """Remove a client; in total, its names count until their channels are closed."""
        for name in list(self._names.of_client(holder)):
            if name in self._hub:
                self._names.remove(name, holder)
            else:
                self._names.discard(name)

    def found(self, name: str) -> None:
        """Remove a name that an IOC has answered for."""
        self._names.discard(name)

    def closed(self, name: str) -> None:
        """Remove a name that is no longer searched for."""
        self._names.discard(name)

    def _problem(self, name: str, holder: Holder) -> str | None:
        """Return the shared limit that another name would exceed, as text."""
        if self._address_is_full(name, holder):
            return "too many PVs from your address that no IOC has answered for"
        if name in self._hub:
            return None
        if len(self._names) >= self._limits.unresolved_in_all:
            return "too many PVs of all clients that no IOC has answered for"
        if len(self._hub) >= self._limits.channels:
            return "the gateway's limit of open channels is reached"
        return None

    def _address_is_full(self, name: str, holder: Holder) -> bool:
        names = self._names.of_address(holder.address)
        return name not in names and len(names) >= self._limits.unresolved_per_address

    def _make_room(self, name: str, holder: Holder) -> bool:
        """End some searches; return False if the client already has its share."""
        names, address = self._names, holder.address
        if not self._address_is_full(name, holder):
            if self._hub.close_idle_searches(NAMES_PER_STEP):
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
        names = list(islice(self._names.of_client(victim), min(NAMES_PER_STEP, excess // 2)))
        for name in names:
            self._names.remove(name, victim)
        if names:
            self._end_searches(victim, set(names))
            self._hub.close_idle_searches(len(names))
        return bool(names)


def _share(number: int, holders: int) -> float:
    """Return the number of names that a client may have when others lose some.

    It is a little less than the average, so that the largest holder has several more than it, which
    are given up together, because finding the largest and ending subscriptions take time.
    """
    return SHARE * number / max(holders, 1)
