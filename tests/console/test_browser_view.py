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
CUT_LEGENDS = """
return [...document.querySelectorAll(".legend-name > span:last-child")]
  .filter((name) => name.scrollWidth > name.clientWidth || name.clientHeight > 40)
  .map((name) => name.textContent);
"""
SAVED = """
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  blob.text().then((text) => (window.saved = text));
  return make(blob);
};
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
    def test_nothing_to_show(self) -> None:
        """A wall display of alarms shows that there are none; a page with a chart is not empty."""
        browser = self.open("level", rest="&show=alarms&wall=1")
        browser.until(lambda: browser.find("#hidden-rows").text == "No PV is in alarm.", "why")
        browser = self.open(rest=f"?chart={self.pv('level')}")
        browser.find(".multi canvas")
        self.assertFalse(browser.find("#welcome").is_displayed())
        browser.click('.multi [title="Remove this chart"]')
        browser.until(browser.find("#welcome").is_displayed, "how to begin")

    @in_thread
    def test_legend_on_phone(self) -> None:
        """On a phone, names in a legend are shown completely."""
        browser = self.open("hot", rest=f"&chart={self.pv('hot')},{self.pv('level')}")
        browser.phone()
        browser.until_row(self.pv("hot"), lambda row: row.state == "MAJOR HIHI")
        browser.until(lambda: "MAJOR HIHI" in browser.text(".chart-legend .badge"), "the alarm")
        self.assertEqual(browser.run(CUT_LEGENDS), [])

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
    def test_chart(self) -> None:
        """A chart is saved as values, and restored when it was removed.

        Keys work while a tick box has the focus.
        """
        names = f"{self.pv('level')},{self.pv('count')}"
        browser = self.open(*PVS, rest=f"&chart={names}")
        for name in names.split(","):
            browser.until_row(name, lambda row: row.value != "")
        browser.run(SAVED)
        browser.click('.multi [title="Save the values as a CSV file"]')
        text = browser.until(lambda: browser.run("return window.saved"), "the file")
        self.assertRegex(text, rf"Z,{self.pv('level')},123456\.789,mm\r\n")
        self.assertRegex(text, rf"Z,{self.pv('count')},1001,counts\r\n")
        browser.click('.multi [title="Remove this chart"]')
        self.assertNotIn("chart=", browser.driver.current_url)
        browser.click("#undo button")
        browser.find(".multi canvas")
        self.assertIn(f"chart={names}", browser.driver.current_url)
        browser.press("l")
        browser.click(".tick:nth-of-type(3) input")
        browser.press("a")
        browser.until(browser.find("#alarms").is_displayed, "the alarms")
