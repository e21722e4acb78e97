"""Accessibility: axe-core on every open panel, and the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from harness.console import ConsoleBrowser
from tests.support.axe import violations
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "9") field(PINI, "YES") field(EGU, "mm") field(PREC, "2") field(DESC, "How high it is")
  field(HIGH, "5") field(HSV, "MINOR") field(HIHI, "8") field(HHSV, "MAJOR")
}
record(mbbo, "$(P)mode") {
  field(VAL, "1") field(PINI, "YES") field(ZRST, "Idle") field(ONST, "Running")
}
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "4") field(INP, [1, 5, 2.5]) }
record(waveform, "$(P)data") { field(FTVL, "UCHAR") field(NELM, "4") field(INP, [1, 5, 2, 3]) }
record(stringout, "$(P)text") { field(VAL, "text") field(PINI, "YES") }
"""
WATCH_FOCUS = """
window.faint = [];
document.addEventListener("focusin", ({ target }) => {
  target.dataset.walked = "";
  if (getComputedStyle(target).outlineStyle === "none") faint.push(target.outerHTML);
});
"""
# Controls that can be seen, and that no Tab has come to.
MISSED = """
const all = document.querySelectorAll(
  ":is(#layouts, #charts) :is(button, select, input, canvas[tabindex], a[href])");
return [...all].filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility()
  && !("walked" in each.dataset)).map((each) => each.outerHTML);
"""
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
LEGEND = ".multi .legend-name"
LIVE = '.multi [title="Return to the newest values"]'


class AccessibleTests(WebTestCase):
    """The console with charts, headings, details and panels."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 9, "mode": 1}

    def start(self) -> ConsoleBrowser:
        """Open a page with all of these."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "Pumps.json").write_text('{"groups": [{"pvs": ["a"]}]}')
        names = folder / "names.txt"
        names.write_text("".join(f"{self.pv(name)} A record\n" for name in ("level", "wave")))
        level, mode, wave, text, data = map(self.pv, ("level", "mode", "wave", "text", "data"))
        rest = f"&heading=More&pv={wave},{text},{data},{self.pv('nobody')}&width.2={data}"
        rest += f"&descriptions=1&chart={level},{mode}&chart={wave}"
        options = ("--allow-put=anyone", f"--layouts={folder}", f"--pv-names={names}")
        browser = self.open("level", "mode", options=options, rest=rest)
        browser.until_row(wave, lambda row: row.value)
        browser.until_row(self.pv("nobody"), lambda row: row.state == "NOT FOUND")
        return browser

    def check(self, where: str) -> None:
        """Check that axe finds nothing, and that no content is too wide."""
        self.assertEqual(violations(self.browser), [], where)
        self.assertLessEqual(self.browser.run(WIDER), 0, where)

    @in_thread
    def test_panels(self) -> None:
        """Details, charts, layouts, alarms, suggestions and help, on a desktop and on a phone."""
        browser = self.start()
        for record in ("level", "mode", "wave", "text", "data"):
            browser.unfold(self.pv(record))
        browser.press("l", "a")
        browser.click("#alarms summary")
        browser.until(lambda: browser.drawn(".multi .chart"), "the chart")
        for where in ("desktop", "phone"):
            if where == "phone":
                browser.phone()
            self.check(where)
            browser.find("#add textarea").send_keys(self.prefix[:-1])
            browser.find("#suggestions:not([hidden]) li")
            self.check(f"{where}, names are offered")
            browser.press("ESCAPE")
            browser.find("#add textarea").clear()
            browser.click("#help-button")
            self.check(f"{where}, help")
            browser.press("ESCAPE")
        browser.prefer("dark")
        self.check("phone, dark")

    @in_thread
    def test_keyboard(self) -> None:
        """Tab reaches every control of charts and layouts and leaves it; keys work."""
        browser = self.start()
        browser.run(WATCH_FOCUS)
        browser.press("l", "/")
        browser.press(*["TAB"] * 90)
        self.assertEqual(browser.run(MISSED), [])
        self.assertEqual(browser.run("return window.faint"), [])
        self._use_chart(browser)
        browser.press("l", "l")
        browser.run("document.querySelector('#layouts select').focus()")
        browser.press("2")
        browser.until(lambda: "columns=2" in browser.driver.current_url, "two columns")
        browser.press("ESCAPE")
        self.assertFalse(browser.find("#layouts").is_displayed())
        self.assertEqual(browser.focused(), "Layout")

    def _use_chart(self, browser: ConsoleBrowser) -> None:
        live = "return document.querySelector(arguments[0]).disabled"
        browser.run("document.querySelector('.multi canvas').focus()")
        for key, is_live in (("+", False), ("0", True), ("ARROW_LEFT", False), ("HOME", True)):
            browser.press(key)
            browser.until(lambda: browser.run(live, LIVE) is is_live, f"live: {is_live}")  # noqa: B023
        browser.run("document.querySelector(arguments[0]).focus()", LEGEND)
        for shown in ("false", "true"):
            browser.press("SPACE")
            pressed = browser.find(LEGEND).get_attribute
            browser.until(lambda: pressed("aria-pressed") == shown, f"shown: {shown}")  # noqa: B023
        # A trace that is removed leaves the focus in the legend, a chart in the page.
        browser.run("document.querySelector('.multi .remove').focus()")
        browser.press("ENTER")
        self.assertIn("from the chart", browser.focused())
