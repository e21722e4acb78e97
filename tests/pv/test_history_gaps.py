"""Gaps in histories."""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.history import DequeStore, Samples
from pycawamp.pv.values import Reading

NOON = 1_700_000_000


class GapTests(SynchronousTestCase):
    """Samples without a number."""

    def test_thinned(self) -> None:
        """Thinning keeps short gaps."""
        store = DequeStore(10**6, 10**4, lambda _: True)
        for number in range(5000):
            value = None if number in {2003, 2004} else float(number % 7)
            store.append(Reading(0, 0, NOON + number, 0, value))
        thin = Samples.of(store.samples()).thinned(100)
        self.assertLessEqual(len(thin), 100)
        gaps = [
            int(seconds) - NOON
            for seconds, value in zip(thin.seconds, thin.values, strict=True)
            if math.isnan(value)
        ]
        self.assertEqual(gaps, [2003])

    def test_repeated(self) -> None:
        """After a gap, the first value may be older than the gap: it belongs after it."""
        store = DequeStore(10**6, 10**4, lambda _: True)
        for second, value in ((0, 1.0), (100, None), (200, None), (0, 1.0)):
            store.append(Reading(0, 0, NOON + second, 0, value))
        samples = Samples.of(store.samples())
        expected = {
            (50, 300): [1.0, None, None, 1.0],
            (150, 300): [None, None, 1.0],
            (50, 150): [1.0, None],
            (250, 300): [1.0],
        }
        for (start, end), values in expected.items():
            found = samples.between(NOON + start, NOON + end).values.tolist()
            self.assertEqual([None if math.isnan(each) else each for each in found], values)
