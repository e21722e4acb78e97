"""The protocol of epics2web (docs/epics2web.md)."""

from pycawamp.wire.epics2web.dialect import CAGet, Epics2Web, encoding
from pycawamp.wire.epics2web.requests import TYPES

__all__ = ["TYPES", "CAGet", "Epics2Web", "encoding"]
