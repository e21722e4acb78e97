"""Lines of the put log."""

from __future__ import annotations

import json
import re
from typing import Any

FIELDS = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def fields(line: str) -> dict[str, Any]:
    """What a line of the log says."""
    return {key: json.loads(text) for key, text in FIELDS.findall(line)}
