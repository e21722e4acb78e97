"""The rights of a client: reading, writing, and the number of its channels."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping

import attrs

from pycawamp.access.interfaces import Decide, IClassifyingPolicy, Verdict
from pycawamp.pv.formula.formula import Formula
from pycawamp.pv.formula.tokens import FormulaError
from pycawamp.pv.interfaces import PVState
from pycawamp.pv.router import FORMULA, UnknownSchemeError
from pycawamp.pv.text import clip
from pycawamp.sessions.names_in_use import Holder
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.shared import Shared
from pycawamp.wire.errors import BadMessageError


@attrs.frozen
class ReadForbiddenError(BadMessageError):
    """The access rules do not let a client read a PV."""

    reason: str = ""
    """The reason, for clients that request reasons."""


@attrs.frozen
class FormulaVerdict(Verdict):
    """A client's access to a formula: that to all of its inputs; it cannot be written."""

    inputs: Mapping[str, Verdict] = attrs.field(factory=dict, eq=False)
    """By the names that the formula uses."""


def decide_for(shared: Shared, peer: Peer, name: str, decide: Decide | None = None) -> Verdict:
    """Return what a client may do with a PV, and the name of its channel.

    Rules use the name without its scheme, except for local PVs. For a formula, they use its inputs.

    Raises:
        BadMessageError: `bad_name` if no backend serves the name's scheme, or if a formula is
            invalid.
    """
    decide = decide or shared.policy.decide
    router = shared.router
    try:
        parsed = router.parse(name)
        if parsed.scheme == FORMULA:
            formula = Formula.parse(name, len(name) - len(parsed.bare))
            inputs = {each: _decide_input(shared, peer, each, decide) for each in formula.inputs}
            return _verdict(formula, inputs)
    except (UnknownSchemeError, FormulaError) as error:
        raise BadMessageError("bad_name", str(error), pvname=name) from None
    verdict = decide(peer.user, peer.host, peer.host_name, parsed.access_name)
    channel_name = router.channel_name(parsed.scheme, verdict.real_name)
    if channel_name == verdict.real_name:
        return verdict
    return attrs.evolve(verdict, real_name=channel_name)


def _decide_input(shared: Shared, peer: Peer, name: str, decide: Decide) -> Verdict:
    try:
        return decide_for(shared, peer, name, decide)
    except BadMessageError as mistake:
        raise FormulaError(f"its input {clip(name)}: {mistake.message}") from None


def _verdict(formula: Formula, inputs: Mapping[str, Verdict]) -> FormulaVerdict:
    refused = _first_refused(inputs)
    return FormulaVerdict(
        read=refused is None,
        write=False,
        real_name=f"{FORMULA}://{formula.text(lambda name: inputs[name].real_name)}",
        trap_write=False,
        rules=tuple(rule for each in inputs.values() for rule in each.rules),
        refusal=inputs[refused].refusal if refused is not None else "",
        inputs=inputs,
    )


def _first_refused(inputs: Mapping[str, Verdict]) -> str | None:
    return next((name for name, verdict in inputs.items() if not verdict.read), None)


def channels(verdict: Verdict) -> Iterator[str]:
    """Yield the names of the channels that a PV needs, including the inputs of a formula."""
    if isinstance(verdict, FormulaVerdict):
        for each in verdict.inputs.values():
            yield from channels(each)
    yield verdict.real_name


def needs(pv: PVState, real_names: Collection[str]) -> bool:
    """Return whether a PV is one of these channels, or is computed from one of them."""
    return pv.name in real_names or any(needs(each, real_names) for each in pv.inputs)


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
            ReadForbiddenError: The client may not read the PV.
        """
        verdict = decide_for(self._shared, self._peer, name, decide)
        if not verdict.read:
            what = _refused_part(verdict)
            rule = f" ({verdict.refusal})" if verdict.refusal else ""
            reason = f"the access rules do not let you read {what}{rule}"
            text = f"this gateway does not let you read {what}"
            raise ReadForbiddenError("forbidden", text, pvname=name, reason=reason)
        return verdict

    def authorize_put(self, name: str) -> Verdict:
        """Return the name of a PV's channel if the client may write it.

        Raises BadMessageError as `authorize`, or `forbidden` if the client may only read it.
        """
        verdict = self.authorize(name)
        if isinstance(verdict, FormulaVerdict):
            raise BadMessageError("forbidden", "a formula cannot be written")
        if not verdict.write:
            raise BadMessageError("forbidden", "this gateway does not let you write it")
        return verdict

    def kind(self) -> Hashable | None:
        """Return the client's kind according to the current policy; None without kinds."""
        peer, policy = self._peer, self._shared.policy
        if not IClassifyingPolicy.providedBy(policy):
            return None
        kind: Hashable = policy.kind(peer.user, peer.host, peer.host_name)
        return kind

    def reserve_channels(self, verdict: Verdict) -> None:
        """Check that the channels of a PV may be opened; raise `too_many_pvs` if not."""
        reserved: list[str] = []
        try:
            for name in channels(verdict):
                self._reserve(name)
                reserved.append(name)
        except BadMessageError:
            self._withdraw(reserved)
            raise

    def _reserve(self, real_name: str) -> None:
        shared, holder = self._shared, self._holder
        problem = shared.spellings.problem(real_name, holder)
        problem = problem or shared.unresolved.reserve(real_name, holder)
        if problem is not None:
            raise BadMessageError("too_many_pvs", problem)
        shared.spellings.add(real_name, holder)

    def _withdraw(self, real_names: Iterable[str]) -> None:
        """Stop counting channels that were not opened after all."""
        shared = self._shared
        for name in real_names:
            if name not in shared.hub:
                shared.spellings.closed(name)
                shared.unresolved.closed(name)

    def close(self) -> None:
        """Release the client's names: it has disconnected."""
        self._shared.unresolved.leave(self._holder)
        self._shared.spellings.leave(self._holder)


def _refused_part(verdict: Verdict) -> str:
    """Return a text that names the part of a PV that may not be read."""
    inputs = verdict.inputs if isinstance(verdict, FormulaVerdict) else {}
    name = _first_refused(inputs)
    return "it" if name is None else f"its input {clip(name)}"
