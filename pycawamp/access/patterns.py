"""Regular expressions that match whole PV names, in linear time."""

from __future__ import annotations

import re

import re2
from attrs import field, frozen

from .errors import PatternError
from .syntax import RegexLibrary, to_re2

#: RE2's time is proportional to the length of the name and to the size of the pattern: at worst
#: about 15 ns for each instruction and character. With these limits, the worst file takes about a
#: second for a name, a typical one microseconds.
MAX_SIZE = 1_000
MAX_TOTAL_SIZE = 100_000

# Sufficient for that size; RE2's default is 8 MiB.
_MEMORY = 64 << 20
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d)")
_EVERYTHING = b"(?s:.*)"


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    # Bytes, as in the CA gateway, which sets no locale.
    options.encoding = re2.Options.Encoding.LATIN1
    return options


@frozen
class Pattern:
    """A pattern of a PV list; a leading `!` negates it."""

    source: str
    library: RegexLibrary
    negated: bool = False
    expression: bytes = field(init=False, repr=False, eq=False)
    _regex: re2._Regexp = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        expression = to_re2(self.source, self.library).encode("ascii")
        object.__setattr__(self, "expression", expression)
        object.__setattr__(self, "_regex", _compiled(expression, self.source))
        if self.size > MAX_SIZE:
            raise PatternError(0, f"expected a smaller pattern, at most {MAX_SIZE} instructions")

    @property
    def size(self) -> int:
        """Number of RE2 instructions, which counted repetitions multiply."""
        return int(self._regex.programsize)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self._regex.groups)

    @property
    def repeats_group(self) -> bool:
        """Whether a group is repeated; PCRE and RE2 capture different repetitions."""
        return self.library is RegexLibrary.PCRE and bool(_REPEATED_GROUP.search(self.source))

    def can_match(self, name: str) -> bool:
        """Return whether the pattern without `!` can match the whole name."""
        return self._regex.fullmatch(name.encode(errors="replace")) is not None

    def captures(self, name: str) -> tuple[str, ...]:
        """Return the match of the pattern without `!` and its groups; () without a match.

        PCRE stops at the first alternative that matches some of the name. If that is not the whole
        name, there is no match in the CA gateway.
        """
        encoded = name.encode(errors="replace")
        match = self._regex.match if self.library is RegexLibrary.PCRE else self._regex.fullmatch
        found = match(encoded)
        if found is None or found.end() != len(encoded):
            return ()
        captured = (found.group(0), *found.groups(default=b""))
        return tuple(one.decode(errors="replace") for one in captured)

    def __str__(self) -> str:
        return f"!{self.source}" if self.negated else self.source


def _compiled(expression: bytes, source: str) -> re2._Regexp:
    try:
        return re2.compile(expression, _options())
    except re2.error as error:
        text = error.args[0].decode(errors="replace") if error.args else "cannot be compiled"
        # "bad repetition operator: **": the text after the colon is in the pattern.
        offset = source.find(text.partition(": ")[2])
        raise PatternError(max(offset, 0), f"expected a regular expression: {text}") from None


@frozen
class PatternSet:
    """Patterns that are matched at once. The caller has to apply `!`."""

    patterns: tuple[Pattern, ...]
    _set: re2.Set = field(init=False, repr=False, eq=False)
    _pcre: frozenset[int] = field(init=False, repr=False, eq=False)

    @_pcre.default
    def _in_pcre(self) -> frozenset[int]:
        return frozenset(
            at for at, one in enumerate(self.patterns) if one.library is RegexLibrary.PCRE
        )

    def __attrs_post_init__(self) -> None:
        together = re2.Set.FullMatchSet(_options())
        for pattern in self.patterns:
            together.Add(pattern.expression)
        together.Add(_EVERYTHING)
        together.Compile()
        object.__setattr__(self, "_set", together)

    def able(self, name: str) -> frozenset[int]:
        """Return the positions of patterns that can match the whole name, and `len(patterns)`."""
        found = self._set.Match(name.encode(errors="replace"))
        if not found:
            # The last pattern matches everything, so the engine ran out of memory. A missed DENY
            # would grant access, so each pattern is matched by itself, which needs little.
            found = [at for at, one in enumerate(self.patterns) if one.can_match(name)]
        return frozenset(found)

    def matching(self, able: frozenset[int], name: str) -> frozenset[int]:
        """Return those of the positions from `able` that match in the CA gateway."""
        return able - {at for at in able & self._pcre if not self.patterns[at].captures(name)}
