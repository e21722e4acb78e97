"""PV lists of random lines (Hypothesis)."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.access.errors import AccessFileError
from pycawamp.access.pvlist import PVList
from pycawamp.access.pvlist_lines import Deny
from tests.support.examples import examples
from tests.support.pvlists import CLIENTS, FILES, HOST, NAMES, OTHER_SPELLINGS, lines


def decisions(pvlist: PVList, names: list[str], client: tuple[str, str | None]) -> list[object]:
    found = [pvlist.resolve(name, *client) for name in names]
    return [(one.allowed, one.real_name, [(g.asg, g.asl) for g in one.grants]) for one in found]


class Properties(SynchronousTestCase):
    """Properties of every file."""

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.lists(NAMES, max_size=5), CLIENTS)
    def test_round_trip(self, text: str, names: list[str], client: tuple[str, str | None]) -> None:
        """A printed list, parsed again, is equal and leads to the same decisions."""
        pvlist = lines(text)
        again = lines(str(pvlist))
        self.assertEqual(again, pvlist)
        self.assertEqual(decisions(again, names, client), decisions(pvlist, names, client))

    @settings(deadline=None, max_examples=examples(150))
    @given(st.text() | st.text("AB.*()[]{}|\\!^$+?#,\n \tDENYALOWISFRM019", max_size=60), NAMES)
    @example("A ALIAS \\²", "A")
    @example("A ALLOW ops ²", "A")
    def test_any_text(self, text: str, name: str) -> None:
        """Any text is a valid list, or an error with a position."""
        self._parsed(text, name)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.data(), NAMES)
    def test_mutated(self, text: str, data: st.DataObject, name: str) -> None:
        """A list with something inserted or removed is valid, or an error with a position."""
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 5)))
        self._parsed(
            text[:at] + data.draw(st.text("\\([{*?!#\n 1\0é", max_size=3)) + text[end:], name
        )

    @settings(deadline=None, max_examples=examples(150))
    @given(
        FILES,
        st.sampled_from(["A", "Ab", "A:1", "bVAL"]),
        st.sampled_from(OTHER_SPELLINGS),
        CLIENTS,
    )
    def test_no_way_round(
        self, text: str, record: str, spelling: str, client: tuple[str, str | None]
    ) -> None:
        """If a line (without !) for a record's name denies it, each spelling is denied."""
        pvlist = lines(text)
        found = pvlist.resolve(record, *client)
        # A line for RECORD.VAL alone denies the record too, but none of its other fields.
        if ": !" not in found.rule and any(
            isinstance(rule, Deny)
            and rule.text_with_line == found.rule
            and rule.pattern.can_match(record)
            for rule in pvlist.rules
        ):
            self.assertFalse(pvlist.resolve(spelling.format(record), *client).allowed)

    @settings(deadline=None, max_examples=examples(150))
    @given(FILES, st.sampled_from(["A", "Ab", "A:1", "bVAL"]), st.sampled_from(OTHER_SPELLINGS))
    def test_group_of_the_record(self, text: str, record: str, spelling: str) -> None:
        """The last line, if it is for a record alone, limits each spelling that is served."""
        pvlist = lines(text, f"{record} ALLOW limited")
        found = pvlist.resolve(spelling.format(record), HOST)
        if found.allowed:
            self.assertIn("limited", [one.asg for one in found.grants])

    def _parsed(self, text: str, name: str) -> None:
        try:
            pvlist = lines(text)
        except AccessFileError as error:
            self.assertRegex(str(error), r"(?s)^f:\d+:\d+: expected ")
            return
        pvlist.resolve(name, HOST)
        self.assertEqual(lines(str(pvlist)), pvlist)
