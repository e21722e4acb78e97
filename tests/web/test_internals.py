"""What the gateway uses of its libraries beyond their public API."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from pycawamp.web.autobahn_internals import check_autobahn
from pycawamp.web.internals import InternalsError, check_internals
from pycawamp.web.twisted_internals import check_twisted


class InternalsTests(SynchronousTestCase):
    """The check at the start."""

    def test_these(self) -> None:
        """The versions that are installed here have all of it."""
        check_twisted()
        check_autobahn()

    def test_lacking(self) -> None:
        """A version that lacks something is refused by a line that says what."""
        with self.assertRaisesRegex(InternalsError, r"^twisted [\d.]+ .* HTTPChannel lacks _gone;"):
            check_internals("twisted", HTTPChannel, ("_handlingRequest", "_gone"))
