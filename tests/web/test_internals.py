"""The internals of libraries that the gateway uses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

from pycawamp.web.autobahn_internals import check_autobahn
from pycawamp.web.internals import InternalsError, check_internals
from pycawamp.web.twisted_internals import check_twisted


class InternalsTests(SynchronousTestCase):
    """The check at the start."""

    def test_these(self) -> None:
        """The installed versions have all of them."""
        check_twisted()
        check_autobahn()

    def test_lacking(self) -> None:
        """A version that lacks one is refused with a line that says which."""
        with self.assertRaisesRegex(InternalsError, r"^twisted [\d.]+ .* HTTPChannel lacks _gone;"):
            check_internals("twisted", HTTPChannel, ("_handlingRequest", "_gone"))
