"""A searchable index of PV names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

import attrs


@attrs.frozen
class NamePattern:
    """A part of a name, in upper or lower case; `*` matches any characters."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> NamePattern:
        """Return the pattern for a text."""
        return cls(tuple(part for part in text.lower().split("*") if part))

    @property
    def longest(self) -> str:
        """The longest part, which the fewest names are likely to contain."""
        return max(self.parts, key=len, default="")

    def matches(self, name: str) -> bool:
        """Return whether a name contains the parts in order."""
        at = 0
        lower = name.lower()
        for part in self.parts:
            found = lower.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return True

    def place(self, name: str) -> tuple[bool, str]:
        """Return a sort key; names that begin with the pattern are first."""
        start = self.parts[0] if self.parts else ""
        return not name.lower().startswith(start), name


class NameIndex:
    """Names and their descriptions, searchable without checking each of them."""

    def __init__(self, named: Iterable[tuple[str, str]]) -> None:
        self._named = tuple(named)
        # One text: the search for a part runs in C. Lower case may have another length.
        lower = [name.lower() + "\n" for name, _ in self._named]
        self._text = "".join(lower)
        self._ends = tuple(accumulate(map(len, lower)))

    def __len__(self) -> int:
        return len(self._named)

    def matching(self, pattern: NamePattern) -> Iterator[tuple[str, str]]:
        """Yield the names that match, with their descriptions."""
        at = self._text.find(pattern.longest) if self._named else -1
        while 0 <= at < len(self._text):
            number = bisect_right(self._ends, at)
            name, description = self._named[number]
            if pattern.matches(name):
                yield name, description
            at = self._text.find(pattern.longest, self._ends[number])
