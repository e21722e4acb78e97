"""PVs in memory that are written like those of Channel Access, as DBR bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from twisted.internet.defer import Deferred, fail, succeed

from pycawamp.pv.ca.dbr import TIME_LAYOUTS, decoder
from pycawamp.pv.ca.encode import encode
from pycawamp.pv.errors import BadValueError
from pycawamp.pv.memory import MemoryBackend
from pycawamp.pv.values import Metadata, Value


class DBRBackend(MemoryBackend):
    """A backend whose values are converted to DBR bytes and back."""

    def __init__(self) -> None:
        super().__init__()
        self._types: dict[str, Metadata] = {}

    def add(self, name: str, value: Value, metadata: Metadata | None = None) -> None:
        """Create a PV with metadata."""
        assert metadata is not None
        self._types[name] = metadata
        super().add(name, value, metadata)

    def put(self, name: str, value: Any) -> Deferred[None]:
        """Encode a value, and set the value that the bytes represent."""
        metadata = self._types[name]
        try:
            write = encode(metadata, value)
        except BadValueError as error:
            return fail(error.with_traceback(None))
        header = bytes(TIME_LAYOUTS[write.type].offset)
        held = decoder(write.type, metadata.count)(header + write.raw).value
        if write.type is not metadata.type:
            # Integers with more digits than a double has are written as strings.
            held = np.array(held, float) if metadata.is_array else float(str(held))
        self.set(name, held)
        return succeed(None)
