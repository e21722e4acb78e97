"""The policy: PV list, access security file and the rule without files."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum
from functools import cache, lru_cache, partial

from attrs import field, frozen
from zope.interface import implementer

from .acf import Access, Acf, Rights
from .interfaces import IClassifyingPolicy, Verdict
from .names import name_problem
from .pvlist import Decision, PVList
from .pvlist_lines import DEFAULT_ASG, DEFAULT_ASL, Grant


class Writers(Enum):
    """Who may write if there is no access security file."""

    NONE = "nobody may write"
    LOGGED_IN = "logged-in users may write"
    ANYONE = "anyone may write"


_NO_PVLIST = "no PV list: every PV is served"
_NO_PUTS = "puts are not enabled (--allow-put)"
MAX_CLIENTS = 4096
"""Number of clients for which the applicable lines are cached."""
_EVERY_PV = Grant(DEFAULT_ASG, DEFAULT_ASL, _NO_PVLIST)


@cache
def _rights_without_file(writers: Writers, logged_in: bool) -> Rights:
    write = writers is Writers.ANYONE or (writers is Writers.LOGGED_IN and logged_in)
    rule = f"no access file: all may read, {writers.value}"
    return Rights(Access.WRITE if write else Access.READ, False, rule)


def _lines_that_apply(
    pvlist: PVList | None, acf: Acf | None, user: str | None, host: str, host_name: str | None
) -> bytes:
    """Return a byte for each line that applies only to some clients: 1 if to this one."""
    denying = pvlist.concerning(host, host_name) if pvlist is not None else ()
    ruling = acf.rules_for(user, host, host_name) if acf is not None else ()
    return bytes((*denying, *ruling))


@implementer(IClassifyingPolicy)
@frozen
class Policy:
    """A policy from access files; without files, everybody may read.

    `AccessFiles.load` reads the files.
    """

    pvlist: PVList | None = None
    """Which names are served, and to whom."""
    acf: Acf | None = None
    """The access security file."""
    puts: bool = False
    """Whether puts are allowed at all."""
    writers: Writers = Writers.NONE
    """Who may write if there is no access security file."""
    #: Distinguishes it from other policies.
    _identity: object = field(init=False, eq=False, repr=False, factory=object)
    _lines_for: Callable[..., bytes] = field(init=False, eq=False, repr=False)

    @_lines_for.default
    def _cached_lines(self) -> Callable[..., bytes]:
        return lru_cache(MAX_CLIENTS)(partial(_lines_that_apply, self.pvlist, self.acf))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines that are ignored or have an unexpected meaning, as "file:line: text"."""
        files = (self.pvlist, self.acf)
        return tuple(warning for file in files if file is not None for warning in file.warnings)

    @property
    def by_address(self) -> bool:
        """Whether rights can depend on a client's address."""
        return self.acf is not None or (self.pvlist is not None and self.pvlist.by_address)

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Return a client's access to a PV, see `IPolicy`."""
        found = self._found(pv, host, host_name)
        if not found.allowed:
            return Verdict(False, False, pv, False, (found.rule,), found.refusal)
        rights = [self._rights(grant, user or None, host, host_name) for grant in found.grants]
        lowest = min(rights, key=lambda right: right.access)
        write = self.puts and lowest.access >= Access.WRITE
        return Verdict(
            read=lowest.access >= Access.READ,
            write=write,
            real_name=found.real_name,
            trap_write=write and any(right.trap_write for right in rights),
            rules=self._because(found, lowest),
            refusal=lowest.refusal,
        )

    def kind(self, user: str | None, host: str, host_name: str | None) -> Hashable:
        """Return the kind of a client, see `IClassifyingPolicy`: the lines that apply to it."""
        # An empty user name counts as anonymous.
        if not self.by_address:
            return self._identity, bool(user)
        met = self.acf.conditions_met if self.acf is not None else ()
        return self._identity, bool(user), self._lines_for(user or None, host, host_name), met

    def _found(self, pv: str, host: str, host_name: str | None) -> Decision:
        if self.pvlist is not None:
            return self.pvlist.resolve(pv, host, host_name)
        why = name_problem(pv)
        rule = why or _NO_PVLIST
        return Decision(not why, pv, DEFAULT_ASG, DEFAULT_ASL, rule, (_EVERY_PV,), why or "")

    def _rights(self, grant: Grant, user: str | None, host: str, host_name: str | None) -> Rights:
        if self.acf is not None:
            return self.acf.rights(grant.asg, grant.asl, user, host, host_name)
        return _rights_without_file(self.writers, user is not None)

    def _because(self, found: Decision, lowest: Rights) -> tuple[str, ...]:
        lines = (*(grant.rule for grant in found.grants), lowest.rule)
        return lines if self.puts else (*lines, _NO_PUTS)
