"""The dialect of arrays with all properties that differ from the defaults of a dialect."""

from __future__ import annotations

import json
from typing import Any

from pycawamp.pv.values import Metadata
from pycawamp.wire.errors import BadMessageError
from tests.support.toy_dialect import Arrays


class Terse(Arrays):
    """Overrides the properties that `Dialect` leaves to its subclasses."""

    name = "terse"
    answers_repeats = False
    search_timeout = 0.2
    pings_back = True
    puts_need_subscription = True

    def not_found(self, name: str) -> bytes:
        """Return a message that a PV was not found."""
        return json.dumps([name, "not found"]).encode()

    def value_to_put(self, value: Any, metadata: Metadata) -> Any:
        """Return twice the value."""
        return 2 * value

    def error(self, mistake: BadMessageError) -> None:  # type: ignore[override]
        """Return no message."""
