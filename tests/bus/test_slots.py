"""Which ingest owns a PV."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.bus.slots import SLOTS, ShardKey, owners, slot
from tests.support.examples import examples

NAMES = st.sets(st.text("abcXYZ019-_", min_size=1, max_size=8), min_size=1, max_size=8)


class OwnerTests(SynchronousTestCase):
    """Owners of slots."""

    def test_even(self) -> None:
        """None of twenty ingests exceeds its share by a fifth."""
        counts = Counter(owners([f"ingest-{number}" for number in range(20)]))
        self.assertEqual(len(counts), 20)
        self.assertLess(max(counts.values()), 1.2 * SLOTS / 20)

    @settings(max_examples=examples(100))
    @given(NAMES)
    def test_comes_and_goes(self, names: set[str]) -> None:
        """When an ingest is removed, only its own slots change their owner."""
        gone, *rest = sorted(names)
        with_it, without = owners(sorted(names, reverse=True)), owners(rest)
        for before, after in zip(with_it, without, strict=True):
            self.assertEqual(after, before if before != gone else after)
            self.assertNotEqual(after, gone)

    def test_none(self) -> None:
        """Without ingests, slots have no owner."""
        self.assertEqual(set(owners([])), {None})

    def test_same_everywhere(self) -> None:
        """The owners are the same for edges of any version and on any machine."""
        self.assertEqual([slot("SR:C01-MG{PS}I"), slot("demo:sine"), slot("")], SLOTS_OF_NAMES)
        table = owners(["A", "B", "C"])
        self.assertEqual("".join(name or "" for name in table[:16]), OWNERS_OF_SLOTS)


SLOTS_OF_NAMES = [295, 539, 274]
OWNERS_OF_SLOTS = "ABBACCABCCABBACA"


class ShardKeyTests(SynchronousTestCase):
    """The part of a name that determines the slot."""

    def test_pattern(self) -> None:
        """PVs with the same first group, or the same match, are together; others by their names."""
        key = ShardKey("^([^:]+):")
        self.assertEqual(key.slot("SR:X"), key.slot("SR:Y"))
        self.assertEqual(key.slot("SR:X"), slot("SR"))
        self.assertEqual(key.slot("plain"), slot("plain"))
        self.assertEqual(ShardKey("^[A-Z]+").slot("SR:X"), slot("SR"))
        self.assertEqual(ShardKey().slot("SR:X"), slot("SR:X"))

    def test_optional_group(self) -> None:
        """If a group takes no part in the match, the whole match is used."""
        self.assertEqual(ShardKey("^(a)?b").slot("bX"), slot("bX"))

    def test_bad_pattern(self) -> None:
        """An invalid regular expression is refused."""
        self.assertRaises(ValueError, ShardKey, "(")
