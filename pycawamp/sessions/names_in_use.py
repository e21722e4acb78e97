"""Names held by clients, counted per client, per address, and in total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import attrs


@attrs.frozen(eq=False)
class Holder:
    """A client that holds names."""

    address: str
    """Clients with the same address are counted together."""


class NamesInUse:
    """Names and the clients that hold them; a name stays until `discard`, even without a client."""

    def __init__(self) -> None:
        self._holders: dict[str, set[Holder]] = {}
        # Dicts, as they keep the order: the oldest come first.
        self._by_client: dict[Holder, dict[str, None]] = {}
        self._by_address: dict[str, Counter[str]] = {}
        self._clients: dict[str, set[Holder]] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __contains__(self, name: object) -> bool:
        return name in self._holders

    def of_client(self, holder: Holder) -> Mapping[str, None]:
        """The names that a client holds, oldest first."""
        return self._by_client.get(holder, {})

    def of_address(self, address: str) -> Mapping[str, int]:
        """The names held by clients with an address."""
        return self._by_address.get(address, {})

    def abandoned(self) -> list[str]:
        """The names that no client holds."""
        return [name for name, holders in self._holders.items() if not holders]

    @property
    def addresses(self) -> Collection[str]:
        """The addresses with clients that hold names."""
        return self._by_address.keys()

    def clients(self, address: str) -> Collection[Holder]:
        """The clients with an address that hold names."""
        return self._clients.get(address, ())

    def add(self, name: str, holder: Holder) -> None:
        """Record that a client holds a name that it did not hold before."""
        self._holders.setdefault(name, set()).add(holder)
        self._by_client.setdefault(holder, {})[name] = None
        self._clients.setdefault(holder.address, set()).add(holder)
        self._by_address.setdefault(holder.address, Counter())[name] += 1

    def remove(self, name: str, holder: Holder) -> None:
        """Record that a client no longer holds a name."""
        self._holders[name].remove(holder)
        names = self._by_client[holder]
        del names[name]
        if not names:
            del self._by_client[holder]
            self._clients[holder.address].remove(holder)
        counts = self._by_address[holder.address]
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
        if not counts:
            del self._by_address[holder.address], self._clients[holder.address]

    def discard(self, name: str) -> None:
        """Remove a name from all holders."""
        for holder in list(self._holders.get(name, ())):
            self.remove(name, holder)
        self._holders.pop(name, None)
