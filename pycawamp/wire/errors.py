"""Errors in requests."""

from __future__ import annotations

import attrs


@attrs.frozen
class BadMessageError(Exception):
    """A request is invalid or cannot be fulfilled.

    `code` is one of docs/protocol.md, `message` says what was wrong and what was expected.
    """

    code: str
    """One of the codes of docs/protocol.md."""
    message: str
    action: str | None = None
    pvname: str | None = None
    id: str | float | None = None
