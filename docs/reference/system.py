"""How pydoctor reads the docstrings of this project; `make docs` uses it.

In docstrings, code stands between single backticks, as in Markdown. In reStructuredText these
would be links, and code stands between double ones.
"""

from __future__ import annotations

import re

from pydoctor.extensions import ExtRegistrar
from pydoctor.model import System

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


class ProjectSystem(System):
    """pydoctor's system, which takes single backticks for code."""

    custom_extensions = ["docs.reference.system"]  # noqa: RUF012 (pydoctor insists on a list)


def setup_pydoctor_extension(registrar: ExtRegistrar) -> None:
    """Register what is to be done when all modules are read."""
    registrar.register_post_processor(_convert_code)


def _convert_code(system: System) -> None:
    for documented in system.allobjects.values():
        if documented.docstring:
            documented.docstring = _CODE.sub(r"``\1``", documented.docstring)
            # Those of classes are parsed when they are read.
            documented.parsed_docstring = None
