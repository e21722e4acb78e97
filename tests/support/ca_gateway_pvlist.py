"""A model of the CA gateway's evaluation of PV lists: its default build, with glibc's matcher."""

from __future__ import annotations

import ctypes
import ctypes.util
import locale
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint, c_ulong, c_void_p

import attrs

_BUFFER = 1024
"""Bytes of a line that the gateway reads at once, and one more."""


class _PatternBuffer(Structure):
    """``re_pattern_buffer`` of regex.h."""

    _fields_ = [
        ("buffer", c_void_p),
        ("allocated", c_ulong),
        ("used", c_ulong),
        ("syntax", c_ulong),
        ("fastmap", c_void_p),
        ("translate", c_void_p),
        ("groups", c_size_t),
        ("flags", c_uint),
    ]


class _Registers(Structure):
    """``re_registers`` of regex.h."""

    _fields_ = [("count", c_uint), ("start", POINTER(c_int)), ("end", POINTER(c_int))]


_libc = ctypes.CDLL(None)
_libc.re_compile_pattern.restype = c_char_p


@contextmanager
def c_locale() -> Iterator[None]:
    """Use the C locale, like the CA gateway; Python sets that of the environment."""
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        yield
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


class BadPatternError(Exception):
    """glibc does not accept the pattern."""


class GNUPattern:
    """A pattern, compiled like by the CA gateway."""

    def __init__(self, source: str) -> None:
        self._buffer = _PatternBuffer()
        c_ulong.in_dll(_libc, "re_syntax_options").value = 0
        encoded = source.encode()
        with c_locale():
            error = _libc.re_compile_pattern(encoded, c_size_t(len(encoded)), byref(self._buffer))
        if error is not None:
            raise BadPatternError(error.decode())

    def captures(self, name: str) -> tuple[str, ...]:
        """Return the whole name and each group if the pattern matches the whole name; else ()."""
        encoded, registers = name.encode(), _Registers()
        with c_locale():
            size = _libc.re_match(
                byref(self._buffer), encoded, c_int(len(encoded)), 0, byref(registers)
            )
        if size != len(encoded):
            return ()
        spans = [(registers.start[at], registers.end[at]) for at in range(self._buffer.groups + 1)]
        return tuple(
            encoded[start:end].decode(errors="replace") if start >= 0 else ""
            for start, end in spans
        )


PCRE_LIBRARY = ctypes.util.find_library("pcre")
_ANCHORED = 0x10
_SLOTS = 30


class PCREPattern:
    """A pattern, compiled and matched like by a CA gateway that is built with USE_PCRE."""

    def __init__(self, source: str) -> None:
        self._pcre = ctypes.CDLL(PCRE_LIBRARY)
        self._pcre.pcre_compile.restype = c_void_p
        error, offset = c_char_p(), c_int()
        self._compiled = c_void_p(
            self._pcre.pcre_compile(source.encode(), 0, byref(error), byref(offset), None)
        )
        if not self._compiled:
            raise BadPatternError(str(error.value))

    def captures(self, name: str) -> tuple[str, ...]:
        """Return the whole name and the captured groups if the first match is the whole name."""
        encoded, spans = name.encode(), (c_int * _SLOTS)()
        count = self._pcre.pcre_exec(
            self._compiled, None, encoded, len(encoded), 0, _ANCHORED, spans, _SLOTS
        )
        if count < 1 or spans[1] != len(encoded):
            return ()
        starts, ends = spans[: 2 * count : 2], spans[1 : 2 * count : 2]
        pairs = zip(starts, ends, strict=True)
        return tuple(
            encoded[start:end].decode(errors="replace") if start >= 0 else ""
            for start, end in pairs
        )


@attrs.frozen
class Entry:
    """One line of a list."""

    pattern: GNUPattern
    alias: str | None = None
    group: str = "DEFAULT"
    level: int = 1

    def real_name(self, name: str) -> str:
        """Return the name of the PV for this name."""
        if self.alias is None:
            return name
        captured, made, chars = self.pattern.captures(name), "", iter(self.alias)
        for char in chars:
            escaped = next(chars, "") if char == "\\" else ""
            made += captured[int(escaped)] if escaped.isdigit() else escaped or char
        return made


class GatewayList:
    """A PV list as read by the CA gateway, which ignores lines that it does not understand."""

    def __init__(self, text: str) -> None:
        self._allowed: list[Entry] = []
        self._denied: list[Entry] = []
        self._denied_from: dict[str, list[Entry]] = {}
        self._denies_last = True
        self._level = 1
        for line in text.splitlines(keepends=True):
            assert len(line.encode()) < _BUFFER
            self._read(line)

    def find(self, name: str, host: str) -> Entry | None:
        """Return the line that serves the name to this host, if there is one."""
        if _first(self._denied_from.get(host, []), name):
            return None
        if self._denies_last and _first(self._denied, name):
            return None
        return _first(self._allowed, name)

    def _read(self, line: str) -> None:
        cut, whole = line.partition("#")[0].replace("\n", " "), line[:-1]
        if len(_split(cut)) < 2:
            return
        pattern, command, *rest = _split(whole)
        command = command.upper()
        listed = [one for word in rest for one in word.split(",") if one]
        if command == "DENY":
            hosts = listed[1:] if listed[:1] and listed[0].upper() == "FROM" else listed
            for host in hosts:
                self._add(self._denied_from.setdefault(host, []), pattern)
            if not hosts:
                self._add(self._denied, pattern)
        elif command == "ORDER":
            order = tuple(word.upper() for word in listed[:2])
            if set(order) == {"ALLOW", "DENY"}:
                self._denies_last = order == ("ALLOW", "DENY")
        elif command in ("ALLOW", "ALIAS", "PATTERN", "PV"):
            self._serve(pattern, rest, has_alias=command == "ALIAS")

    def _serve(self, pattern: str, rest: list[str], has_alias: bool) -> None:
        alias = rest.pop(0) if has_alias and rest else None
        if has_alias and alias is None:
            return
        if not rest:
            self._level = 1
        elif len(rest) > 1:
            self._level = _scanned(rest[1])
        self._add(self._allowed, pattern, alias, rest[0] if rest else "DEFAULT", self._level)

    def _add(self, entries: list[Entry], pattern: str, *more: object) -> None:
        try:
            entries.append(Entry(GNUPattern(pattern), *more))  # type: ignore[arg-type]
        except BadPatternError:
            return


def _first(entries: list[Entry], name: str) -> Entry | None:
    """Return the last matching line of the file: the CA gateway's lists grow at the front."""
    found = (entry for entry in reversed(entries) if entry.pattern.captures(name))
    return next(found, None)


def _split(line: str) -> list[str]:
    return [word for word in line.replace("\t", " ").split(" ") if word]


def _scanned(word: str) -> int:
    """Return the number that sscanf reads with ``%d``, or the CA gateway's default level."""
    sign, digits = (word[:1], word[1:]) if word[:1] in ("+", "-") else ("", word)
    size = next((at for at, char in enumerate(digits) if char not in "0123456789"), len(digits))
    return int(sign + digits[:size]) if size else 1
