"""Names with modifiers, as ``X.[0:5]``: of one record there may be any number."""

from __future__ import annotations

from zope.interface import implementer

from pycawamp.access.names import modified_record
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IChannelObserver
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.names_in_use import Holder, NamesInUse


@implementer(IChannelObserver)
class Spellings:
    """Limits how many channels to one record there are by names with modifiers.

    Each is a channel of its own, for which the IOC sends all updates of the record once more. The
    limits are for each client, each address, and in all; a name counts until its channel is closed.
    """

    def __init__(self, hub: PVHub, limits: Limits) -> None:
        self._hub = hub
        self._limits = limits
        self._records: dict[str, NamesInUse] = {}
        self._records_of: dict[Holder, set[str]] = {}
        hub.observers.append(self)

    def problem(self, name: str, holder: Holder) -> str | None:
        """Why a client may not have a name; None if it may."""
        record = modified_record(name)
        names = self._records.get(record) if record is not None else None
        if names is None:
            return None
        limits = self._limits
        of_client, of_address = names.of_client(holder), names.of_address(holder.address)
        if name not in of_client and len(of_client) >= limits.spellings:
            return f"too many names with modifiers of the record {record}"
        if name not in of_address and len(of_address) >= limits.spellings_per_address:
            return f"too many names with modifiers of the record {record} for your address"
        if name not in names and len(names) >= limits.spellings_in_all:
            self._hub.close_idle(names.abandoned())
            if len(names) >= limits.spellings_in_all:
                return f"too many names with modifiers of the record {record} for all clients"
        return None

    def add(self, name: str, holder: Holder) -> None:
        """Record that a client has a name."""
        record = modified_record(name)
        if record is None:
            return
        names = self._records.setdefault(record, NamesInUse())
        if name not in names.of_client(holder):
            names.add(name, holder)
            self._records_of.setdefault(holder, set()).add(record)

    def leave(self, holder: Holder) -> None:
        """Forget a client: what it had counts in all until its channels are closed."""
        for record in self._records_of.pop(holder, ()):
            names = self._records.get(record)
            if names is not None:
                for name in list(names.of_client(holder)):
                    names.remove(name, holder)

    def found(self, name: str) -> None:
        """Count a name as before."""

    def closed(self, name: str) -> None:
        """Count a name no more."""
        record = modified_record(name)
        names = self._records.get(record) if record is not None else None
        if record is not None and names is not None:
            names.discard(name)
            if not names:
                del self._records[record]
