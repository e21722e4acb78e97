"""The maximum length of PV names."""

from __future__ import annotations

MAX_NAME = 500
"""Maximum bytes of UTF-8, including modifiers; the same for clients, access rules and aliases.
A search request of Channel Access has room for about 1,000.
"""


def is_too_long(name: str) -> bool:
    """Return whether a name has more than `MAX_NAME` bytes."""
    return len(name.encode(errors="surrogatepass")) > MAX_NAME
