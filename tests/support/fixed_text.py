"""Messages without the parts that differ between runs."""

from __future__ import annotations

import re

MOVING = ("demo:sine", "demo:ramp")
"""Whose values are not those of the page."""
ALWAYS = (
    (r'"timestamp":\d+\.\d{9}', '"timestamp":T'),
    (r'"timestamps":\[[^\]]*\]', '"timestamps":T'),
    (r'"host":"(localhost|127\.0\.0\.1):\d+"', '"host":H'),
    (r"within [\d.]+ s", "within S"),
)
IN_MOVING = ((r'"value":-?\d+\.\d+(e-\d+)?', '"value":V'),)


def fixed(text: str) -> str:
    """Return a message without the parts that differ between runs."""
    moving = IN_MOVING if any(f'"{name}"' in text for name in MOVING) else ()
    for pattern, stand_in in (*ALWAYS, *moving):
        text = re.sub(pattern, stand_in, text)
    return text
