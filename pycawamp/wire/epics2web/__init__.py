"""The protocol of epics2web (docs/epics2web.md): messages to requests, updates to messages."""

from pycawamp.wire.epics2web.dialect import Epics2Web, encoding

__all__ = ["Epics2Web", "encoding"]
