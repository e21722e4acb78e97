"""Tables in loc:// PVs, in the form in which tables of pvAccess are shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from pycawamp.pv import checks
from pycawamp.pv.errors import BadValueError
from pycawamp.pv.text import clip
from pycawamp.pv.values import Array, FieldType, Metadata

MAX_CELLS = 10_000
MAX_COLUMNS = 100
MAX_CHARACTERS = 10_000
"""Maximum characters of all strings of a table, including its column names."""
MAX_LIST_SHOWN = 200
"""Characters of a list in an error message."""


def table(value: Any) -> dict[str, Any]:
    """Return the table in JSON's `{"columns": {…}, "labels": […]}`; raises BadValueError.

    Labels are the names of the columns, if there are none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("columns"), dict):
        got = checks.described(value)
        raise BadValueError(f'expected an object with "columns", an object of arrays; got {got}')
    unknown = value.keys() - {"columns", "labels"}
    if unknown:
        raise BadValueError(f'expected "columns" and "labels", got {_shown(min(unknown))}')
    columns = value["columns"]
    labels = value.get("labels") or list(columns)
    _check_labels(labels, len(columns))
    checked = {name: _checked(name, column) for name, column in columns.items()}
    _check_size(columns, labels)
    return {"labels": list(labels), "columns": checked}


def _check_labels(labels: Any, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise BadValueError(f"expected at most {MAX_COLUMNS} columns, got {columns}")
    is_list = isinstance(labels, list) and all(isinstance(each, str) for each in labels)
    if not is_list or len(labels) != columns:
        raise BadValueError(f'expected "labels" to be an array of {columns} strings')


def _checked(name: str, column: Any) -> Array | list[str]:
    """Return a column; numbers are stored as an array, which takes the least memory."""
    if not isinstance(column, list):
        got = checks.described(column)
        raise BadValueError(f"expected an array for the column {_shown(name)}, got {got}")
    kinds = set(map(type, column))
    if kinds <= {str}:
        return column[:]
    if kinds == {bool}:
        return np.array(column, np.bool_)
    if not kinds <= {int, float}:
        kind = "numbers, of strings, or of true and false"
        raise BadValueError(f"expected an array of {kind} for the column {_shown(name)}")
    dtype = np.dtype(np.float64 if float in kinds else np.int64)
    try:
        return checks.numbers(Metadata(FieldType.DOUBLE, 0), column, dtype)
    except BadValueError as error:
        raise BadValueError(f"column {_shown(name)}: {error}") from None


def _check_size(columns: dict[str, list[Any]], labels: list[str]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} in {_shown(name)}" for name, length in lengths.items())
        got = clip(counts, MAX_LIST_SHOWN)
        raise BadValueError(f"expected columns of the same length, got elements: {got}")
    cells = sum(lengths.values())
    if cells > MAX_CELLS:
        raise BadValueError(f"expected at most {MAX_CELLS} elements in all, got {cells}")
    texts = [*columns, *labels]
    texts += [each for column in columns.values() for each in column if isinstance(each, str)]
    length = sum(map(len, texts))
    if length > MAX_CHARACTERS:
        raise BadValueError(f"expected at most {MAX_CHARACTERS} characters in all, got {length}")


def _shown(name: str) -> str:
    return repr(clip(name, checks.MAX_SHOWN))
