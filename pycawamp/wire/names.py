"""Validation of PV names."""

from __future__ import annotations

from typing import Any

from pycawamp.pv.names import MAX_NAME, is_too_long
from pycawamp.pv.text import clip, json_type
from pycawamp.wire.errors import BadMessageError


def checked_name(name: Any) -> str:
    """Return a PV name.

    Raises:
        BadMessageError: `bad_name` if it is not valid, `bad_request` if it is not a string.
    """
    if not isinstance(name, str):
        raise BadMessageError("bad_request", f'expected "pv" with a PV name, got {json_type(name)}')
    if name.isascii() and name.isprintable() and len(name) <= MAX_NAME and name.strip():
        return name
    if not name.strip():
        raise BadMessageError("bad_name", "the PV name is empty", pvname=clip(name))
    if is_too_long(name):
        text = f"the PV name is longer than {MAX_NAME} bytes"
        raise BadMessageError("bad_name", text, pvname=clip(name))
    if not name.isprintable():
        text = "the PV name contains control or other unprintable characters"
        raise BadMessageError("bad_name", text, pvname=clip(name))
    return name
