"""Updates as text: the formats of EPICS base's caget, camonitor and cainfo."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import attrs
import numpy as np

from pycawamp.client.values import History, Update
from pycawamp.pv.values import EPICS_EPOCH, SEVERITIES, FieldType, Metadata, name_of
from pycawamp.wire.v2.text import decimal, label, long_string

NO_ALARM = "NO_ALARM"
NO_VALUE = "*** no value"
TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f"
Element: TypeAlias = Callable[[Any], str]


@attrs.frozen
class Style:
    """How values are formatted."""

    numbers: bool = False
    """Format enums as numbers, not as labels."""
    long_strings: bool = False
    """Format char arrays as text."""
    floats: str | None = None
    """A Python format such as .3f; None: as the record's PREC."""
    max_elements: int | None = None
    """Maximum number of elements of an array; None: all."""


def value_text(update: Update, metadata: Metadata | None, style: Style) -> str:
    """Return a value as text, for an array with the number of elements first."""
    value = update.value
    show = _element(metadata, style)
    if not isinstance(value, np.ndarray | tuple):
        return show(value)
    is_text = style.long_strings and metadata is not None and metadata.type is FieldType.CHAR
    if is_text and isinstance(value, np.ndarray):
        return escaped(long_string(value, metadata.count))  # type: ignore[union-attr]
    elements = (value.ravel() if isinstance(value, np.ndarray) else value)[: style.max_elements]
    plain = elements.tolist() if isinstance(elements, np.ndarray) else elements
    return " ".join([str(len(elements)), *map(show, plain)])


def _element(metadata: Metadata | None, style: Style) -> Element:
    """Return the function that formats an element."""
    labels = metadata.enum_strs if metadata is not None and not style.numbers else ()
    precision = metadata.precision if metadata is not None else None
    is_single = metadata is not None and metadata.type is FieldType.FLOAT

    def show(value: Any) -> str:
        if value is None:
            return NO_VALUE
        if isinstance(value, str):
            return escaped(value)
        if isinstance(value, dict):
            return escaped(json.dumps(value, ensure_ascii=False))
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return _float_text(value, precision, is_single, style.floats)
        return escaped(label(labels, value))

    return show


def _float_text(value: float, precision: int | None, is_single: bool, chosen: str | None) -> str:
    if chosen is not None:
        return format(value, chosen)
    return format(value, ".6g") if precision is None else decimal(value, precision, is_single)


def escaped(text: str) -> str:
    """Return a text with escape sequences instead of unprintable characters."""
    return "".join(
        char if char.isprintable() and char != "\\" else char.encode("unicode_escape").decode()
        for char in text
    )


def time_text(timestamp: float) -> str:
    """Return a time stamp in local time, or "<undefined>" for a record that never processed."""
    if timestamp in (0, EPICS_EPOCH):
        return "<undefined>"
    return datetime.fromtimestamp(timestamp).strftime(TIME_FORMAT)


def now_text() -> str:
    """Return the current time in the format of time stamps."""
    return datetime.now().strftime(TIME_FORMAT)


def short_line(update: Update, metadata: Metadata | None, style: Style) -> str:
    """Return a line as caget prints it: name and value."""
    return f"{_name_column(update)} {value_text(update, metadata, style)}"


def wide_line(update: Update, metadata: Metadata | None, style: Style) -> str:
    """Return a line as camonitor prints it: name, time stamp, value, and the alarm if any."""
    shown = value_text(update, metadata, style)
    return f"{_name_column(update)} {time_text(update.timestamp)} {shown} {_alarm(update)}"


def history_lines(history: History, metadata: Metadata | None, style: Style) -> list[str]:
    """Return a line for each sample, as camonitor would have printed it, without the status."""
    samples = zip(history.timestamps, history.values, history.severities, strict=True)
    return [
        wide_line(_sample(history.name, metadata, *sample), metadata, style) for sample in samples
    ]


def _sample(
    name: str, metadata: Metadata | None, timestamp: float, value: float, severity: int
) -> Update:
    is_whole = metadata is not None and metadata.type not in _FLOATS and math.isfinite(value)
    number = int(value) if is_whole else float(value)
    return Update(name, number, 1, float(timestamp), severity=name_of(SEVERITIES, severity))


_FLOATS = (FieldType.FLOAT, FieldType.DOUBLE)


def _name_column(update: Update) -> str:
    # As in EPICS base, only scalars are padded.
    return update.name if isinstance(update.value, np.ndarray | tuple) else f"{update.name:<30}"


def _alarm(update: Update) -> str:
    if {update.severity, update.status} <= {NO_ALARM, None}:
        return " "
    return " ".join(filter(None, (update.status, update.severity)))


def not_connected_line(name: str, reason: str | None) -> str:
    """Return the line that camonitor prints for a PV that was not found, or the reason."""
    why = escaped(reason) if reason else "PV not found"
    return f"{name:<30} *** Not connected ({why})"


def disconnected_line(name: str, reason: str | None) -> str:
    """Return the line that camonitor prints for a PV that has disconnected, and the reason."""
    why = f" ({escaped(reason)})" if reason else ""
    return f"{name:<30} {now_text()} *** disconnected{why}"


def description(name: str, metadata: Metadata) -> str:
    """Return lines as cainfo prints them, followed by units, limits and states."""
    access = f"{_no(metadata.read_access)}read, {_no(metadata.write_access)}write"
    rows: list[tuple[str, object]] = [
        ("State", "connected"),
        ("Host", metadata.host),
        ("Access", access),
        ("Native data type", f"DBF_{metadata.type.name}"),
        ("Element count", metadata.count),
        ("Units", metadata.units or None),
        ("Precision", metadata.precision),
        *_limit_rows(metadata),
        ("Enums", f"({len(metadata.enum_strs):2})" if metadata.enum_strs else None),
    ]
    lines = [f"    {label + ':':<17} {value}" for label, value in rows if value is not None]
    states = [
        f"{'':22}[{index:2}] {escaped(label)}" for index, label in enumerate(metadata.enum_strs)
    ]
    return "\n".join([name, *lines, *states])


def _no(granted: bool | None) -> str:
    return {True: "", False: "no ", None: "unknown "}[granted]


def _limit_rows(metadata: Metadata) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for kind, limits in (
        ("disp", metadata.display_limits),
        ("alarm", metadata.alarm_limits),
        ("warn", metadata.warning_limits),
        ("ctrl", metadata.control_limits),
    ):
        if limits is not None:
            rows += [(f"Lo {kind} limit", f"{limits[0]:g}"), (f"Hi {kind} limit", f"{limits[1]:g}")]
    return rows
