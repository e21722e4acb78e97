"""Passwords and secrets of tests."""

from __future__ import annotations

import bcrypt

PASSWORD = "geheim 🔑"
COST = 4


def entry(user: str, password: str = PASSWORD) -> str:
    """Return a line of a password file, with bcrypt's lowest cost."""
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()}\n"


SECRET = "a secret of at least thirty-two bytes"
