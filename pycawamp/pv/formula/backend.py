"""The backend of formulas."""

from __future__ import annotations

from itertools import islice

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from pycawamp.pv.formula.channel import FormulaInput, FormulaPV
from pycawamp.pv.formula.formula import Formula
from pycawamp.pv.formula.tokens import FormulaError
from pycawamp.pv.hub import PVHub
from pycawamp.pv.interfaces import IBackend, IComputedSink, IHandle, ISink
from pycawamp.pv.local.handles import NoPV

MAX_FORMULAS = 2000
MAX_RATE = 10_000.0
"""Computations per second, of all formulas."""
FORMULAS_PER_STEP = 100
"""Formulas that are computed immediately; the others follow in the next reactor iteration."""


@implementer(IBackend)
class FormulaBackend:
    """Formulas, whose inputs are subscriptions to the hub like those of any client.

    After a burst of updates of its inputs, a formula is computed once, with the newest values.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._hub: PVHub | None = None
        self._inputs: dict[str, FormulaInput] = {}
        self._formulas: dict[FormulaPV, tuple[str, ...]] = {}
        # Dicts keep the order: the first has waited longest.
        self._changed: dict[FormulaInput, None] = {}
        self._due: dict[FormulaPV, None] = {}
        self._timer: IDelayedCall | None = None
        self._next = 0.0

    def follow(self, hub: PVHub) -> None:
        """Subscribe to inputs with this hub, which uses this backend."""
        self._hub = hub

    def start(self) -> None:
        """Do nothing: there is nothing to set up."""

    def stop(self) -> Deferred[None]:
        """Delete all formulas."""
        self._inputs.clear()
        self._formulas.clear()
        self._changed.clear()
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return succeed(None)

    def open(self, name: str, sink: ISink) -> IHandle:
        """Subscribe to the inputs of a formula, and compute it."""
        try:
            if len(self._formulas) >= MAX_FORMULAS:
                raise FormulaError(f"the limit of {MAX_FORMULAS} formulas is reached")
            formula = Formula.parse(name)
        except FormulaError as error:
            sink.refused(str(error))
            return NoPV(str(error))
        inputs = [self._input(each) for each in formula.inputs]
        pvs = [each.pv for each in inputs]
        made = FormulaPV(formula.expression, pvs, sink, self._close)
        self._formulas[made] = formula.inputs
        for each in inputs:
            each.formulas[made] = None
        if IComputedSink.providedBy(sink):
            sink.computed_from(pvs)
        made.compute()
        return made

    def _input(self, name: str) -> FormulaInput:
        found = self._inputs.get(name)
        if found is None:
            assert self._hub is not None, "`follow` must be called first"
            found = self._inputs[name] = FormulaInput(self._mark)
            found.subscription = self._hub.subscribe(name, found)
        return found

    def _close(self, formula: FormulaPV) -> None:
        self._due.pop(formula, None)
        for name in self._formulas.pop(formula, ()):
            source = self._inputs[name]
            del source.formulas[formula]
            if not source.formulas:
                del self._inputs[name]
                self._changed.pop(source, None)
                source.subscription.close()

    def _mark(self, source: FormulaInput) -> None:
        """Schedule the computation of the formulas with an input."""
        self._changed[source] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None:
            delay = max(0.0, self._next - self._clock.seconds())
            self._timer = self._clock.callLater(delay, self._compute)

    def _compute(self) -> None:
        self._timer = None
        for source in list(self._changed):
            self._check_size(source)
            self._due.update(source.formulas)
        self._changed.clear()
        some = list(islice(self._due, FORMULAS_PER_STEP))
        # Before computing formulas, which may be inputs of others.
        self._next = self._clock.seconds() + len(some) / MAX_RATE
        for formula in some:
            # The result of one formula may cause another to be closed.
            if self._due.pop(formula, True) is None:
                formula.compute()
        if self._due:
            self._schedule()

    def _check_size(self, source: FormulaInput) -> None:
        """Unsubscribe from large arrays, which formulas cannot use."""
        pv = source.pv
        if pv.described is not None and pv.described.is_large and self._hub is not None:
            source.subscription.close()
            self._hub.close_unused(pv.name)
