"""The seam between those who decide about access and those who ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen
from zope.interface import Interface


@frozen
class Verdict:
    """What one client may do with one PV, under which name it is found, and why.

    `rules` names the lines that decided, for logs and for the operator; not for clients.
    """

    read: bool
    write: bool
    real_name: str
    trap_write: bool
    rules: tuple[str, ...]


Decide: TypeAlias = Callable[[str | None, str, str | None, str], Verdict]
"""A policy's decision about a user, an address, a host name and a PV."""


class IPolicy(Interface):
    """Decides who may read and write what."""

    def decide(
        user: str | None,
        host: str,
        host_name: str | None,
        pv: str,
    ) -> Verdict:
        """What the user (None: not logged in) at this address may do with `pv`; never raises."""
