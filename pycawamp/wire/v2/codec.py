"""JSON encoding and decoding."""

from __future__ import annotations

from typing import Any

import orjson

from pycawamp.wire.errors import BadMessageError


def loads(payload: bytes) -> Any:
    """Parse JSON.

    Raises:
        BadMessageError: `bad_json` if it is invalid.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadMessageError("bad_json", f"not JSON: {error}") from None


def dumps(message: Any) -> bytes:
    """Return compact JSON; NaN and infinities are null, numpy arrays are lists."""
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
