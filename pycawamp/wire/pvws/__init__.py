"""The protocol of PVWS (docs/pvws.md)."""

from pycawamp.wire.pvws.dialect import PVWS, PVGet, encoding
from pycawamp.wire.pvws.requests import TYPES

__all__ = ["PVWS", "TYPES", "PVGet", "encoding"]
