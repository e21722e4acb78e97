"""axe-core, which finds what keeps people from using a page."""

from __future__ import annotations

from importlib.resources import files


def axe_source() -> str:
    """The script of axe-core, from the package of that name."""
    return (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
