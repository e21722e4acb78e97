"""The history of a PV: compiled and in Python, and within the memory budget."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pycawamp.pv.budget import MemoryBudget
from pycawamp.pv.ca import _fast
from pycawamp.pv.history import DequeStore, Histories, Samples, Store
from pycawamp.pv.values import Reading
from tests.support.compiled import NOT_COMPILED
from tests.support.examples import examples

KEEP = 60
MAX_SAMPLES = 40
NOON = 1795394771


def reading(seconds: int, value: Any, nanoseconds: int = 0, severity: int = 0) -> Reading:
    """An update."""
    return Reading(0, severity, seconds, nanoseconds, value)


def samples_of(store: Store) -> Samples:
    """Return the content of a store."""
    return Samples.of(store.samples())


READINGS = st.lists(
    st.builds(
        reading,
        st.integers(NOON, NOON + 3 * KEEP),
        st.one_of(st.floats(), st.integers(-(2**53), 2**53), st.none(), st.just("text")),
        st.integers(0, 999_999_999),
        st.integers(-2, 5),
    ),
    max_size=3 * MAX_SAMPLES,
)


class StoreTests(SynchronousTestCase):
    """The stores in C and in Python."""

    skip = NOT_COMPILED

    def make(self, max_samples: int = MAX_SAMPLES, room: float = math.inf) -> list[Store]:
        """Return a store of each kind, with a maximum number of bytes."""
        return [
            make(KEEP, max_samples, lambda size: size <= room) for make in (DequeStore, _history())
        ]

    @settings(max_examples=examples(50), deadline=None)
    @given(READINGS)
    def test_alike(self, readings: list[Reading]) -> None:
        """Both keep the same for any updates, byte for byte."""
        in_python, in_c = self.make()
        for each in readings:
            in_python.append(each)
            in_c.append(each)
        self.assertEqual(in_c.samples(), in_python.samples())
        self.assertEqual(len(in_c), len(in_python))

    def test_time(self) -> None:
        """Samples older than the period are dropped, except for the last of them."""
        for store in self.make():
            for seconds in range(0, 100, 10):
                store.append(reading(NOON + seconds, float(seconds)))
            self.assertEqual(samples_of(store).values.tolist(), [20, 30, 40, 50, 60, 70, 80, 90])

    def test_number(self) -> None:
        """There are at most the maximum number of samples: the newest."""
        for store in self.make():
            for number in range(3 * MAX_SAMPLES):
                store.append(reading(NOON, number, number))
            found = samples_of(store)
            self.assertEqual(found.values.tolist(), list(range(2 * MAX_SAMPLES, 3 * MAX_SAMPLES)))
            self.assertEqual(
                found.nanoseconds.tolist(), list(range(2 * MAX_SAMPLES, 3 * MAX_SAMPLES))
            )

    def test_no_stamp(self) -> None:
        """An update without a time stamp gets the gateway's time."""
        for store in self.make():
            store.append(reading(0, 1.0))
            self.assertGreater(samples_of(store).seconds[0], NOON - 10**9)

    def test_no_memory(self) -> None:
        """Without memory for more, the newest replace the oldest; without any, nothing is kept."""
        sizes = [2000, 300]
        for store, room in zip(self.make(1000, 0), sizes, strict=True):
            store.append(reading(NOON, 1.0))
            self.assertEqual(len(store), 0, room)
        for make, room in zip((DequeStore, _history()), sizes, strict=True):
            store = make(KEEP, 1000, lambda size, room=room: size <= room)
            for number in range(100):
                store.append(reading(NOON, number))
            kept = samples_of(store).values.tolist()
            self.assertEqual(kept, list(range(100 - len(kept), 100)))
            self.assertGreaterEqual(len(kept), 16)


class BudgetTests(SynchronousTestCase):
    """The memory of all histories together."""

    def test_share(self) -> None:
        """Together they use at most a quarter of the limit, and release it when closed."""
        for make in (None, _fast.load().history):
            budget = MemoryBudget(2**20)
            histories = Histories(budget, 300, make)
            stores = [histories.open() for _ in range(50)]
            for number in range(2000):
                for store in stores:
                    assert store is not None
                    store.append(reading(NOON, number, number))
            self.assertGreater(budget.history, budget.share // 2)
            self.assertLessEqual(budget.history, budget.share)
            for store in stores:
                assert store is not None
                self.assertEqual(samples_of(store).values[-1], 1999)
                store.close()
                store.append(reading(NOON, 1))
                self.assertEqual(len(store), 0)
            self.assertEqual(budget.history, 0)

    def test_shrinks(self) -> None:
        """A PV with fewer updates than before releases memory."""
        if NOT_COMPILED:
            raise SkipTest(NOT_COMPILED)
        budget = MemoryBudget()
        store = Histories(budget, KEEP, _fast.load().history).open()
        assert store is not None
        for number in range(5000):
            store.append(reading(NOON, number, number))
        max_samples = budget.history
        for number in range(100):
            store.append(reading(NOON + 2 * KEEP * number, number))
        self.assertLess(budget.history, max_samples / 8)
        self.assertEqual(samples_of(store).values.tolist(), [98, 99])


class SamplesTests(SynchronousTestCase):
    """Parts of a history."""

    def test_between(self) -> None:
        """A part begins with the last sample before its start."""
        store = DequeStore(KEEP, MAX_SAMPLES, lambda _: True)
        for seconds in range(5):
            store.append(reading(NOON + seconds, seconds))
        found = samples_of(store)
        self.assertEqual(found.between(NOON + 1.5, NOON + 3).values.tolist(), [1, 2, 3])
        self.assertEqual(found.between(NOON - 1, NOON + 0.5).values.tolist(), [0])
        self.assertEqual(len(found.between(NOON - 9, NOON - 8)), 0)

    @settings(max_examples=examples(50), deadline=None)
    @given(
        st.lists(st.one_of(st.floats(allow_nan=False, width=32), st.none()), min_size=1),
        st.integers(4, 60),
    )
    def test_thinned(self, values: list[float | None], max_samples: int) -> None:
        """Extremes, the first and the last sample are kept; there are not more than requested."""
        store = DequeStore(KEEP, 1000, lambda _: True)
        for number, value in enumerate(values):
            store.append(reading(NOON, value, number))
        found = samples_of(store)
        thin = found.thinned(max_samples)
        self.assertLessEqual(len(thin), max(max_samples, 4))
        numbers = [value for value in values if value is not None]
        if numbers:
            kept = [value for value in thin.values.tolist() if not math.isnan(value)]
            self.assertEqual((min(kept), max(kept)), (min(numbers), max(numbers)))
        self.assertEqual(thin.nanoseconds[0], found.nanoseconds[0])
        self.assertEqual(thin.nanoseconds[-1], found.nanoseconds[-1])
        self.assertTrue((thin.nanoseconds[1:] > thin.nanoseconds[:-1]).all())


def _history() -> Any:
    return _fast.load().history
