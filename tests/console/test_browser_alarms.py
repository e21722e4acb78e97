"""Alarms in a real browser: list, acknowledgement, tab, sound, filter and order."""

from __future__ import annotations

from typing import ClassVar

from harness.console import ConsoleBrowser
from tests.support.axe import violations
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "1") field(PINI, "YES")
  field(HIGH, "5") field(HSV, "MINOR") field(HIHI, "8") field(HHSV, "MAJOR")
}
record(ao, "$(P)other") { field(VAL, "1") field(PINI, "YES") field(HIGH, "5") field(HSV, "MINOR") }
record(ao, "$(P)quiet") { field(VAL, "1") field(PINI, "YES") }
"""
LISTED = """
return Array.from(document.querySelectorAll("#alarms .list tbody tr"),
  (row) => Array.from(row.cells, (cell) => cell.textContent.replace(/^[^ -~]/, "")));
"""
COUNT_TONES = """
window.tones = 0;
const { start } = OscillatorNode.prototype;
OscillatorNode.prototype.start = function (...when) {
  window.tones += 1;
  return start.apply(this, when);
};
"""
OPTIONS = ("--connect-timeout=0.3",)


class AlarmTests(WebTestCase):
    """A table with PVs that go into alarm."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1, "other": 1}

    def listed(self) -> dict[str, list[str]]:
        """The rows of the list of alarms, by PV."""
        rows: list[list[str]] = self.browser.run(LISTED)
        return {name: [state, *rest] for state, name, *rest in rows}

    def until_listed(self, record: str, state: str) -> list[str]:
        """Wait until a PV is in the list with a state; return state, value, since, ack."""
        name = self.pv(record)
        found: list[str] = self.browser.until(
            lambda: (row := self.listed().get(name)) and row[0] == state and row,
            f"{name} as {state}, not {self.listed()}",
        )
        return found

    def until_title(self, start: str) -> None:
        """Wait for the beginning of the tab's title."""
        browser = self.browser
        browser.until(lambda: browser.driver.title.startswith(start), f"the title {start}")

    def icon(self) -> str:
        """Return the URL of the tab's icon."""
        return str(self.browser.find('link[rel="icon"]').get_attribute("href"))

    def shown(self) -> list[str]:
        """Return the visible names, from top to bottom."""
        names: list[str] = self.browser.run(
            "return Array.from(document.querySelectorAll('#rows .entry:not([hidden]) .name'),"
            " (name) => name.textContent)"
        )
        return names

    @in_thread
    def test_list(self) -> None:
        """Alarms are listed, acknowledged in this browser, and new when they occur again."""
        browser = self.open("level", "other", "nobody", options=OPTIONS)
        browser.until_row(self.pv("other"), lambda row: row.value != "")
        browser.press("a")
        self.until_listed("nobody", "NOT FOUND")
        self.until_title("◌ NOT FOUND (1)")
        self.set_record("level", 9)
        _, value, since, ack = self.until_listed("level", "MAJOR HIHI")
        self.assertEqual((value, ack), ("9", "Ack"))
        self.assertRegex(since, r"^\d\d:\d\d:\d\d\.\d{3}$")
        self.until_title("◆ MAJOR (2)")
        icon = self.icon()
        self.assertIn("data:image/svg", icon)
        browser.click(f'[aria-label="Acknowledge {self.pv("level")}"]')
        self.assertEqual(self.until_listed("level", "MAJOR HIHI")[-1], " Ack")
        browser.driver.refresh()
        browser.press("a")
        _, _, since, ack = self.until_listed("level", "MAJOR HIHI")
        self.assertEqual((since[:7], ack), ("before ", " Ack"))
        self.set_record("level", 1)
        browser.until(lambda: self.pv("level") not in self.listed(), "the end of the alarm")
        self.until_title("◌ NOT FOUND (1)")
        self.assertNotEqual(self.icon(), icon)
        self.set_record("level", 6)
        self.assertEqual(self.until_listed("level", "MINOR HIGH")[-1], "Ack")
        browser.click("#alarms .line .buttons button")
        self.assertEqual(self.until_listed("level", "MINOR HIGH")[-1], " Ack")
        browser.click("#alarms summary")
        log = browser.until(lambda: browser.text("#alarms .log tbody"), "the log")
        self.assertIn("MAJOR HIHI", log)
        self.assertIn("OK", log)
        self.assertEqual(violations(browser), [])
        browser.click(f'#alarms [data-action="reveal"][data-name="{self.pv("level")}"]')
        self.assertEqual(browser.focused(), self.pv("level"))

    @in_thread
    def test_filter_and_order(self) -> None:
        """Rows without an alarm are hidden on request, and the worst alarms are first."""
        records = ("quiet", "other", "level")
        browser = self.open(*records, rest="&show=alarms&worst=1")
        quiet, other, level = (self.pv(record) for record in records)
        browser.until(lambda: "No PV is in alarm." in browser.text("#hidden-rows"), "the note")
        self.set_record("other", 6)
        browser.until(lambda: self.shown() == [other], "what is in alarm")
        self.set_record("level", 9)
        browser.until(lambda: self.shown() == [level, other], "the worst first")
        self.assertIn(f"pv={quiet},{other},{level}", browser.driver.current_url)
        self.choose_shown(browser, "major or worse")
        browser.until(lambda: self.shown() == [level], "the severe ones")
        browser.click("#hidden-rows button")
        browser.until(lambda: self.shown() == [level, other, quiet], "all")
        browser.click(".tick:nth-of-type(5) input")
        browser.until(lambda: self.shown() == [quiet, other, level], "the list as it was given")
        self.assertNotIn("worst", browser.driver.current_url)

    def choose_shown(self, browser: ConsoleBrowser, text: str) -> None:
        """Select which rows are shown."""
        browser.click("#layout-button")
        browser.choose("#layouts label:nth-of-type(2) select", text)

    @in_thread
    def test_sound(self) -> None:
        """A new alarm sounds, an acknowledged one does not, and the choice is stored."""
        browser = self.open("level")
        browser.until_row(self.pv("level"), lambda row: row.value != "")
        browser.press("a")
        browser.run(COUNT_TONES)
        browser.click("#sound")
        played = browser.until(lambda: browser.run("return window.tones"), "a sound to try")

        def sounds() -> bool:
            # Again and again: two sounds are some time apart.
            self.set_record("level", 1)
            self.set_record("level", 9)
            return bool(browser.run("return window.tones") > played)

        browser.until(sounds, "a sound")
        browser.driver.refresh()
        self.assertTrue(browser.find("#sound").is_selected())
        self.assertIn("Click on the page", browser.text("#sound-note"))
