"""Lines of the put log."""

from __future__ import annotations

import json
import re
from typing import Any

FIELDS = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def fields(line: str) -> dict[str, Any]:
    """Return the fields of a line of the log."""
    return {key: json.loads(text) for key, text in FIELDS.findall(line)}
