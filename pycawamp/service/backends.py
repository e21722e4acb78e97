"""The backends of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from pycawamp.config.settings import PROVIDERS, GatewaySettings
from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca.backend import CABackend
from pycawamp.pv.formula.backend import FormulaBackend
from pycawamp.pv.inbox import Inbox
from pycawamp.pv.interfaces import IBackend
from pycawamp.pv.local.loc import LocalBackend
from pycawamp.pv.local.sim import SimulationBackend
from pycawamp.pv.pva.backend import PVABackend
from pycawamp.pv.router import FORMULA, Router

CA, PVA = PROVIDERS
"""The schemes of Channel Access and pvAccess."""

BackendFactory: TypeAlias = Callable[[Any, Inbox], IBackend]
"""Creates a backend, given a reactor and the inbox through which it reports from other threads."""


@attrs.frozen
class Backends:
    """The router to all backends, and the backends that are also used directly."""

    router: Router
    pva: PVABackend
    formulas: FormulaBackend
    """The backend of formulas, which must be connected to the hub."""

    @classmethod
    def create(  # noqa: PLR0913, PLR0917 (the parts that backends need)
        cls,
        reactor: Any,
        inbox: Inbox,
        budget: MemoryBudget,
        settings: GatewaySettings,
        backend: IBackend | None,
        factories: Mapping[str, BackendFactory],
    ) -> Backends:
        """Create the backends of all schemes.

        Args:
            reactor: Twisted's reactor.
            inbox: The inbox through which backends report from other threads.
            budget: The memory budget.
            settings: The settings.
            backend: Serves names without a scheme in place of Channel Access.
            factories: Factories of further backends by scheme, or of those for `"ca"` and `"pva"`.

        Raises:
            LibraryError: The Channel Access library cannot be loaded.
        """
        default = settings.default_provider if backend is None else CA
        made = {scheme: make(reactor, inbox) for scheme, make in factories.items()}
        ca = backend or made.get(CA)
        if ca is None:
            ca = CABackend(reactor, inbox, settings.own_repeater, budget)
        pva = PVABackend(reactor, budget, inbox)
        formulas = FormulaBackend(reactor)
        local: dict[str, IBackend] = {
            "loc": LocalBackend(),
            "sim": SimulationBackend(reactor),
            FORMULA: formulas,
        }
        control: dict[str, IBackend] = {CA: ca, PVA: pva}
        return cls(Router(control | local | made, default, local), pva, formulas)
