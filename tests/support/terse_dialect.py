"""The dialect of arrays again, but for all that a dialect can say of itself."""

from __future__ import annotations

import json
from typing import Any

from pycawamp.pv.values import Metadata
from pycawamp.wire.errors import BadMessageError
from tests.support.toy_dialect import Arrays


class Terse(Arrays):
    """Says of itself what `Dialect` leaves to its subclasses."""

    name = "terse"
    answers_repeats = False
    search_timeout = 0.2
    pings_back = True
    puts_need_subscription = True

    def not_found(self, name: str) -> bytes:
        """Tell that a PV was not found."""
        return json.dumps([name, "not found"]).encode()

    def value_to_put(self, value: Any, metadata: Metadata) -> Any:
        """Return twice the value."""
        return 2 * value

    def error(self, mistake: BadMessageError) -> None:  # type: ignore[override]
        """Tell nothing."""
