"""The rights of a client: reading, writing, and the number of its channels."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from pycawamp.access.interfaces import Decide, IClassifyingPolicy, Verdict
from pycawamp.pv.router import UnknownSchemeError
from pycawamp.sessions.names_in_use import Holder
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.shared import Shared
from pycawamp.wire.errors import BadMessageError


@attrs.frozen
class ForbiddenError(BadMessageError):
    """The access rules do not let a client read a PV."""

    reason: str = ""
    """The reason, for clients that request reasons."""


def decide_for(shared: Shared, peer: Peer, name: str, decide: Decide | None = None) -> Verdict:
    """Return what a client may do with a PV, and the name of its channel.

    Rules use the name without its scheme, except for local PVs.

    Raises:
        BadMessageError: `bad_name` if no backend serves the name's scheme.
    """
    decide = decide or shared.policy.decide
    router = shared.router
    try:
        parsed = router.parse(name)
    except UnknownSchemeError as error:
        raise BadMessageError("bad_name", str(error), pvname=name) from None
    verdict = decide(peer.user, peer.host, peer.host_name, parsed.judged)
    channel_name = router.channel_name(parsed.scheme, verdict.real_name)
    if channel_name == verdict.real_name:
        return verdict
    return attrs.evolve(verdict, real_name=channel_name)


@attrs.frozen(eq=False)
class Authorizer:
    """Decides what a client may do."""

    _shared: Shared
    _peer: Peer
    _holder: Holder

    def authorize(self, name: str, decide: Decide | None = None) -> Verdict:
        """Return what the client may do with a PV, and the name of its channel.

        Raises:
            BadMessageError: `bad_name` if no backend serves the name's scheme.
            ForbiddenError: The client may not read the PV.
        """
        verdict = decide_for(self._shared, self._peer, name, decide)
        if not verdict.read:
            rule = f" ({verdict.refusal})" if verdict.refusal else ""
            reason = f"the access rules do not let you read it{rule}"
            text = "this gateway does not let you read it"
            raise ForbiddenError("forbidden", text, pvname=name, reason=reason)
        return verdict

    def kind(self) -> Hashable | None:
        """Return the client's kind according to the current policy; None without kinds."""
        peer, policy = self._peer, self._shared.policy
        if not IClassifyingPolicy.providedBy(policy):
            return None
        kind: Hashable = policy.kind(peer.user, peer.host, peer.host_name)
        return kind

    def reserve_channel(self, real_name: str) -> None:
        """Check that one more channel may be opened.

        Raises:
            BadMessageError: `too_many_pvs` if a limit is reached.
        """
        shared, holder = self._shared, self._holder
        problem = shared.spellings.problem(real_name, holder)
        problem = problem or shared.unresolved.admit(real_name, holder)
        if problem is not None:
            raise BadMessageError("too_many_pvs", problem)
        shared.spellings.add(real_name, holder)

    def close(self) -> None:
        """Release the client's names: it has disconnected."""
        self._shared.unresolved.leave(self._holder)
        self._shared.spellings.leave(self._holder)
