"""A limited number of token buckets, and which of them are dropped."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.bucket_table import BucketTable
from pycawamp.sessions.token_bucket import TokenBucket


class BucketTableTests(SynchronousTestCase):
    """Three buckets with two tokens, one of which is restored each second."""

    def setUp(self) -> None:
        """Make the table."""
        self.clock = Clock()
        self.table: BucketTable[str, TokenBucket]
        self.table = BucketTable(lambda: TokenBucket(self.clock, 1, 2), max_size=3)

    def test_kept(self) -> None:
        """A key has the same bucket each time."""
        self.assertIs(self.table.of("a"), self.table.of("a"))
        self.assertIsNot(self.table.of("a"), self.table.of("b"))

    def test_full_are_dropped(self) -> None:
        """Full buckets are dropped first; a used one stays."""
        first, taken = self.table.of("a"), self.table.of("b")
        self.table.of("c")
        taken.take(2)
        self.table.of("d")
        self.assertIs(self.table.of("b"), taken)
        self.assertIsNot(self.table.of("a"), first)

    def test_oldest_is_dropped(self) -> None:
        """If none is full, the oldest one is dropped."""
        buckets = {key: self.table.of(key) for key in "abc"}
        for bucket in buckets.values():
            bucket.take(2)
        self.table.of("d").take(2)
        self.assertIs(self.table.of("b"), buckets["b"])
        self.assertIs(self.table.of("c"), buckets["c"])
        self.assertIsNot(self.table.of("a"), buckets["a"])
