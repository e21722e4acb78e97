"""Regular expressions on PV names, matched whole and in time linear in the name's length."""

from __future__ import annotations

import re2
from attrs import field, frozen

from .syntax import Dialect, PatternError, to_re2

#: RE2 takes time in proportion to the length of the name and to the size of what is matched: at
#: worst some 15 ns for each instruction and character. These bounds keep that below about a
#: second for the worst of files; with a usual one it is microseconds.
MAX_SIZE = 1_000
MAX_TOTAL_SIZE = 100_000

# Enough for that size; RE2's own default is 8 MiB.
_MEMORY = 64 << 20
_EVERYTHING = "(?s:.*)"


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


@frozen
class Pattern:
    """One pattern of a PV list, as written; with ``!`` before it, it matches what it does not."""

    source: str
    dialect: Dialect
    negated: bool = False
    expression: str = field(init=False, repr=False, eq=False)
    _regex: re2._Regexp = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        expression = to_re2(self.source, self.dialect)
        object.__setattr__(self, "expression", expression)
        object.__setattr__(self, "_regex", _compiled(expression, self.source))
        if self.size > MAX_SIZE:
            raise PatternError(0, f"expected a smaller pattern, at most {MAX_SIZE} instructions")

    @property
    def size(self) -> int:
        """How many instructions RE2 has for it; counted repetitions multiply them."""
        return int(self._regex.programsize)

    @property
    def groups(self) -> int:
        """How many groups the pattern captures."""
        return int(self._regex.groups)

    def captures(self, name: str) -> tuple[str, ...]:
        """What the pattern, forget the ``!``, captures: the whole and each group; () if nothing."""
        found = self._regex.fullmatch(name)
        return (found.group(0), *found.groups(default="")) if found else ()

    def __str__(self) -> str:
        return f"!{self.source}" if self.negated else self.source


def _compiled(expression: str, source: str) -> re2._Regexp:
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        text = error.args[0].decode(errors="replace") if error.args else "cannot be compiled"
        # "bad repetition operator: **": what follows the colon stands in the pattern
        offset = source.find(text.partition(": ")[2])
        raise PatternError(max(offset, 0), f"expected a regular expression: {text}") from None


@frozen
class PatternSet:
    """Many patterns, tried on a name all at once; `!` is for the caller to apply."""

    patterns: tuple[Pattern, ...]
    _set: re2.Set = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        together = re2.Set.FullMatchSet(_options())
        for pattern in self.patterns:
            together.Add(pattern.expression)
        together.Add(_EVERYTHING)
        together.Compile()
        object.__setattr__(self, "_set", together)

    def matching(self, name: str) -> frozenset[int]:
        """The positions of the patterns that match the whole name, and `len(patterns)`."""
        found = self._set.Match(name)
        if not found:
            # The last pattern matches everything: the engine ran out of memory. Not to find a
            # DENY would open a door, so each pattern is tried by itself, which needs little.
            found = [at for at, one in enumerate(self.patterns) if one.captures(name)]
        return frozenset(found)
