"""Passwords and secrets of tests."""

from __future__ import annotations

import bcrypt

PASSWORD = "geheim 🔑"
COST = 4


def entry(user: str, password: str = PASSWORD) -> str:
    """A line of a password file, at bcrypt's lowest cost."""
    return f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()}\n"


SECRET = "a secret of at least thirty-two bytes"
