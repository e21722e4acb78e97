"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs


@attrs.frozen
class Table:
    """A heading, a header, and rows of text of the same length."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table with its columns aligned, and its notes under it."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [f"### {self.title}", "", _line(self.columns, widths), _rule(widths)]
        lines += [_line(row, widths) for row in self.rows]
        return "\n".join([*lines, *_paragraphs(self.notes)])


def number(value: float | None) -> str:
    """Return three significant digits, or a whole number with separated thousands; None is -."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def exact(value: float | None, digits: int = 1) -> str:
    """A fixed number of decimals; - for None."""
    return "-" if value is None else f"{value:,.{digits}f}"


def pair(first: float | None, second: float | None) -> str:
    """Two figures of one kind, such as a median and a 99th percentile."""
    return f"{number(first)} / {number(second)}"


def mib(kib: float) -> str:
    """KiB as whole MiB."""
    return f"{kib / 1024:,.0f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1])] + [cell.rjust(width) for cell, width in others]
    return f"| {' | '.join(padded)} |"


def _rule(widths: Sequence[int]) -> str:
    first, *others = widths
    return "|".join(["", "-" * (first + 2), *("-" * (width + 1) + ":" for width in others), ""])


def _paragraphs(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield ""
        yield note
