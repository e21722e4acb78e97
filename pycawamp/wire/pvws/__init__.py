"""The protocol of PVWS (docs/pvws.md): messages to requests, updates to messages."""

from pycawamp.wire.pvws.dialect import PVWS, encoding

__all__ = ["PVWS", "encoding"]
