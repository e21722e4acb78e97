"""Log events as a list."""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer


@implementer(ILogObserver)
class LogEvents(list[LogEvent]):
    """The events logged so far; an observer."""

    def __call__(self, event: LogEvent) -> None:
        """Append an event."""
        self.append(event)
