"""The console's columns, wall display and panels in a real browser: nothing is cut off or lost."""

from __future__ import annotations

from typing import ClassVar

from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") { field(VAL, "123456.789") field(PINI, "YES") field(PREC, "3") field(EGU, "mm") }
record(longout, "$(P)count") { field(VAL, "1001") field(PINI, "YES") field(EGU, "counts") }
record(mbbo, "$(P)mode") { field(VAL, "1") field(PINI, "YES") field(ONST, "Stand by") }
record(ao, "$(P)hot") {
  field(VAL, "99") field(PINI, "YES") field(EGU, "C") field(HIHI, "5") field(HHSV, "MAJOR")
}
"""  # noqa: E501
PVS = ("level", "count", "mode", "hot")
# Texts of values and badges that are partly hidden or on several lines.
NOT_WHOLE = """
return [...document.querySelectorAll("#rows .value, #rows .badge")].filter((element) => {
  const text = document.createRange();
  text.selectNodeContents(element);
  const cell = element.getBoundingClientRect();
  const all = text.getBoundingClientRect();
  const row = element.closest(".row").getBoundingClientRect();
  return cell.height > 1.8 * parseFloat(getComputedStyle(element).fontSize) + 10
    || all.right > cell.right + 1 || cell.right > row.right || cell.width === 0;
}).map((element) => element.textContent);
"""
NARROW_NAMES = """
return [...document.querySelectorAll("#rows .name")]
  .filter((name) => name.getBoundingClientRect().width < 100).map((name) => name.textContent);
"""
NAME = '[aria-label="Name of the layout"]'


class ViewTests(WebTestCase):
    """The console's view."""

    RECORDS: ClassVar[str] = RECORDS

    @in_thread
    def test_columns(self) -> None:
        """Values, states and names are shown completely with any number of columns."""
        for rest in (
            "&columns=2",
            "&columns=3",
            "&columns=4",
            "&columns=2&wall=1",
            "&columns=4&wall=1",
        ):
            browser = self.open(*PVS, rest=rest)
            browser.until_row(self.pv("hot"), lambda row: row.state == "MAJOR HIHI")
            browser.until_row(self.pv("level"), lambda row: row.value == "123456.789")
            self.assertEqual(browser.run(NOT_WHOLE), [], rest)
            self.assertEqual(browser.run(NARROW_NAMES), [], rest)

    @in_thread
    def test_typed_name(self) -> None:
        """A name that is being typed is kept; opening a layout shows the layout's name."""
        browser = self.open("level")
        browser.press("l")
        browser.find(NAME).send_keys("Mine")
        browser.click(".tick:nth-of-type(3) input")
        browser.until(lambda: "compact=1" in browser.driver.current_url, "the change")
        self.assertEqual(browser.find(NAME).get_property("value"), "Mine")
        browser.click('#layouts [type="submit"]')
        browser.find(NAME).clear()
        browser.find(NAME).send_keys("Other")
        browser.click('#layouts [type="submit"]')
        browser.click("#layouts .names li:nth-of-type(1) button")
        browser.until(lambda: browser.driver.title.startswith("Mine"), "the layout")
        self.assertEqual(browser.find(NAME).get_property("value"), "Mine")

    @in_thread
    def test_chart_back(self) -> None:
        """A removed chart can be restored; keys work while a tick box has the focus."""
        names = f"{self.pv('level')},{self.pv('count')}"
        browser = self.open(*PVS, rest=f"&chart={names}")
        browser.click('.multi [title="Remove this chart"]')
        self.assertNotIn("chart=", browser.driver.current_url)
        browser.click("#undo button")
        browser.find(".multi canvas")
        self.assertIn(f"chart={names}", browser.driver.current_url)
        browser.press("l")
        browser.click(".tick:nth-of-type(3) input")
        browser.press("a")
        browser.until(browser.find("#alarms").is_displayed, "the alarms")
