"""Names with modifiers, such as `X.[0:5]`; a record has any number of them."""

from __future__ import annotations

from zope.interface import implementer

from pycawamp.access.names import modified_record
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IChannelObserver
from pycawamp.sessions.limits import Limits
from pycawamp.sessions.names_in_use import Holder, NamesInUse


@implementer(IChannelObserver)
class SpellingLimits:
    """Limits the number of channels with modifiers per record.

    Each is a separate channel, for which the IOC sends all updates of the record again. There are
    limits per client, per address, and in total; a name counts until its channel is closed.
    """

    def __init__(self, hub: PVHub, limits: Limits) -> None:
        self._hub = hub
        self._limits = limits
        self._records: dict[str, NamesInUse] = {}
        self._records_of: dict[Holder, set[str]] = {}
        hub.observers.append(self)

    def problem(self, name: str, holder: Holder) -> str | None:
        """Return why a client may not use a name; None if it may."""
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
        """Remove a client; in total, its names count until their channels are closed."""
        for record in self._records_of.pop(holder, ()):
            names = self._records.get(record)
            if names is not None:
                for name in list(names.of_client(holder)):
                    names.remove(name, holder)

    def found(self, name: str) -> None:
        """Do nothing: a found name counts like others."""

    def closed(self, name: str) -> None:
        """Remove a name."""
        record = modified_record(name)
        names = self._records.get(record) if record is not None else None
        if record is not None and names is not None:
            names.discard(name)
            if not names:
                del self._records[record]
