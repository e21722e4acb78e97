"""The seam between those who decide about access and those who ask."""

from __future__ import annotations

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


class IPolicy(Interface):
    """Decides who may read and write what."""

    def decide(
        user: str | None,
        host: str,
        host_name: str | None,
        pv: str,
    ) -> Verdict:
        """What the user (None: not logged in) at this address may do with `pv`; never raises."""
