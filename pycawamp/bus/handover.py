"""A planned change of the ingest that owns a PV."""

from __future__ import annotations

from pycawamp.bus.link import Link
from pycawamp.pv.values import Metadata, Reading, is_same

MAX_EARLY = 100
"""Maximum updates of the next owner that are kept."""
MAX_EXTENSIONS = 4
"""How often an overlap is extended if the next owner has not caught up with the current one."""


class Handover:
    """What the next owner of a PV has sent, until it has caught up with the current one."""

    __slots__ = ("_extensions_left", "early", "link", "metadata")

    def __init__(self, link: Link) -> None:
        self.link = link
        """The next owner."""
        self.metadata: Metadata | None = None
        self.early: list[Reading] | None = None
        """Its updates; None while it does not serve the PV."""
        self._extensions_left = 0

    def restart(self) -> None:
        """Handle that its state will be sent again."""
        self.metadata = self.early = None

    def connection(self, connected: bool) -> None:
        """Handle that the PV has connected or disconnected there."""
        self.early = [] if connected else None
        self._extensions_left = MAX_EXTENSIONS

    def extend(self) -> bool:
        """Return whether the current owner is still needed when the overlap ends."""
        self._extensions_left -= 1
        return self._extensions_left >= 0

    def is_level(self, latest: Reading | None) -> bool:
        """Return whether no update is missing after the current owner's latest one."""
        early = self.early
        if not early:
            return False
        return latest is None or _stamp(latest) >= _stamp(early[0]) or len(early) >= MAX_EARLY


def is_newer(reading: Reading, latest: Reading | None) -> bool:
    """Return whether an update of a new owner or a new stream was not passed on before."""
    if latest is None or _stamp(reading) > _stamp(latest):
        return True
    # Not all PVs have time stamps.
    return _stamp(reading) == _stamp(latest) and not is_same(reading, latest)


def _stamp(reading: Reading) -> tuple[int, int]:
    return reading.seconds, reading.nanoseconds
