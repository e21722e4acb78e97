"""Names, lists and labels that could be confused with others, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from harness.console import Row
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)a+b:c") { field(VAL, "1") field(PINI, "YES") }
record(ao, "$(P)a,b;c") { field(VAL, "2") field(PINI, "YES") }
record(ao, "$(P)plain") { field(VAL, "3") field(PINI, "YES") }
record(waveform, "$(P)strings") { field(FTVL, "STRING") field(NELM, "4") }
record(mbbo, "$(P)gain") {
    field(PINI, "YES") field(ZRST, "1") field(ONST, "3") field(THST, "0")
}
"""
PUTS = ("--allow-put=anyone",)


def has(value: str, outcome: str = "", raw: str | None = None) -> Callable[[Row], bool]:
    """Return a predicate: a row shows this value, and this outcome of a put."""

    def fits(row: Row) -> bool:
        is_raw = raw is None or row.facts["Raw value"] == raw
        return row.value == value and is_raw and outcome in row.outcome

    return fits


class ValueTests(WebTestCase):
    """The console's links and fields."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"gain": 0, "strings": ""}

    def unfold(self, record: str) -> str:
        """Open the console with one record and its details; return the PV's name."""
        name = self.pv(record)
        self.open(record, options=PUTS)
        self.browser.until_row(name, lambda row: row.state not in {"SEARCHING", ""})
        self.browser.click("#rows .name")
        self.browser.until_row(name, lambda row: "Access" in row.facts and row.form)
        return name

    @in_thread
    def test_links(self) -> None:
        """A plus is a plus in a link; names with commas are restored from the page's own link."""
        browser = self.open("a+b:c")
        plus, odd, plain = self.pv("a+b:c"), self.pv("a,b;c"), self.pv("plain")
        self.assertEqual(browser.rows(), [plus])
        browser.find("#add textarea").send_keys(f'"{odd}" {plain}\n')
        link = browser.driver.current_url
        browser.open("about:blank")
        browser.open(link)
        self.assertEqual(browser.rows(), [plus, odd, plain])
        for name, value in [(plus, "1"), (odd, "2"), (plain, "3")]:
            browser.until_row(name, has(value))

    @in_thread
    def test_strings(self) -> None:
        """An element of an array of strings may have blanks; [] empties the array."""
        name = self.unfold("strings")
        field = self.browser.find(".put input")
        for typed, outcome, shown in [
            ('"a b", "c"', '✓ Wrote "a b", c in', '"a b", c'),
            ('one "two,2" ""', '✓ Wrote one, "two,2", "" in', 'one, "two,2", ""'),
            ("[]", "✓ Wrote [] in", "[]"),
        ]:
            field.send_keys(f"{typed}\n")
            self.browser.click("dialog.confirm .danger")
            self.browser.until_row(name, has(value=shown, outcome=outcome))
        field.send_keys("\n")
        row = self.browser.until_row(name, lambda row: "Nothing to write" in row.outcome)
        self.assertIn("[]", row.outcome)

    @in_thread
    def test_choices(self) -> None:
        """The selected state is written, also if labels are numbers, or a state has none."""
        name = self.unfold("gain")
        for label, index in [("3", "1"), ("2", "2"), ("0", "3"), ("1", "0")]:
            self.browser.click(f".put .choices button:nth-child({int(index) + 1})")
            self.browser.until_row(name, has(value=label, raw=index))
