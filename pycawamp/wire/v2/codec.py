"""JSON in and out."""

from __future__ import annotations

from typing import Any

import orjson

from pycawamp.wire.errors import BadMessageError


def loads(payload: bytes) -> Any:
    """The value that a JSON text holds; BadMessageError `bad_json` if it is none."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise BadMessageError("bad_json", f"not JSON: {error}") from None


def dumps(message: Any) -> bytes:
    """Compact JSON; NaN and infinities become null, numpy arrays become lists."""
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)
