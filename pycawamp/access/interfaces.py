"""The interface of access policies."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

from attrs import field, frozen
from zope.interface import Interface


@frozen
class Verdict:
    """A client's access to a PV."""

    read: bool
    write: bool
    real_name: str
    """The name of the channel, if the PV's name is an alias; otherwise that name."""
    trap_write: bool
    """Whether the access security file requests that writes are logged."""
    rules: tuple[str, ...]
    """The lines that decide, for logs and operators, not for clients."""
    refusal: str = field(default="", eq=False)
    """The rule that forbids reading, for clients that request reasons: the name of the file and the
    line, but not the text of the line, which may contain hosts and other names.
    """


Decide: TypeAlias = Callable[[str | None, str, str | None, str], Verdict]
"""The type of `IPolicy.decide`."""


class IPolicy(Interface):
    """Decides about access to PVs."""

    def decide(
        user: str | None,
        host: str,
        host_name: str | None,
        pv: str,
    ) -> Verdict:
        """Return a client's access to a PV. Called for each request: must not block or raise.

        Args:
            user: The name of the user; None: anonymous.
            host: The IP address of the client; "" for a UNIX socket.
            host_name: The host name of the client, if known.
            pv: The PV's name as requested, without the default scheme.
        """


class IClassifyingPolicy(IPolicy):
    """A policy that can group clients with equal access, to avoid a decision for each of them."""

    def kind(user: str | None, host: str, host_name: str | None) -> Hashable:
        """Return the kind of a client: clients of equal kinds have the same access to each PV.

        Called for each request, because decisions, and so the kind, may change at any time.

        Args:
            user: The name of the user; None: anonymous.
            host: The IP address of the client; "" for a UNIX socket.
            host_name: The host name of the client, if known.
        """
