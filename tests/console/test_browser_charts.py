"""Charts of several PVs in a real browser, and history when the page opens."""

from __future__ import annotations

import time
from typing import ClassVar

from pycawamp.pv import archiver
from tests.support.archiver import ArchiverAppliance, Stored
from tests.support.axe import violations
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(calc, "$(P)count") {
    field(INPA, "$(P)count") field(CALC, "A+1") field(SCAN, ".1 second") field(EGU, "s")
    field(HIGH, "1") field(HSV, "MINOR")
}
record(ao, "$(P)volts") { field(VAL, "5") field(EGU, "V") field(PINI, "YES") }
record(ao, "$(P)amps") { field(VAL, "7") field(EGU, "A") field(PINI, "YES") }
record(stringin, "$(P)text") { field(VAL, "a") field(PINI, "YES") }
record(waveform, "$(P)one") { field(FTVL, "LONG") field(NELM, "5") field(PINI, "YES") }
record(waveform, "$(P)two") { field(FTVL, "DOUBLE") field(NELM, "9") field(PINI, "YES") }
"""
_SAVED = """
window.saved = [];
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  blob.text().then((text) => saved.push(text));
  return make(blob);
};
"""
_LEGENDS = """
return Array.from(document.querySelectorAll(".multi"), (chart) =>
  Array.from(chart.querySelectorAll(".legend-name > span:last-child"), (name) => name.textContent));
"""
# How many pixels have a colour: a trace that is drawn, and where.
_PIXELS = """
const canvas = document.querySelectorAll(arguments[0])[0];
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
const probe = document.body.appendChild(document.createElement("i"));
probe.style.color = `var(${arguments[1]})`;
const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
probe.remove();
let found = 0;
for (let i = 0; i < data.length; i += 4) {
  if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) found += 1;
}
return found;
"""


class ChartTests(WebTestCase):
    """Charts above the table."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"volts": 5, "amps": 7}

    def legends(self) -> list[list[str]]:
        """Return the PVs of each chart, without their prefix."""
        found: list[list[str]] = self.browser.run(_LEGENDS)
        return [[name.removeprefix(self.prefix) for name in names] for names in found]

    def until_legends(self, *expected: list[str]) -> None:
        """Wait until there are these charts."""
        self.browser.until(lambda: self.legends() == list(expected), f"the charts {expected}")

    def pixels(self, colour: str, canvas: str = ".multi .chart") -> int:
        """Return how many pixels of a chart have a colour of the style sheet."""
        found: int = self.browser.run(_PIXELS, canvas, f"--{colour}")
        return found

    def until_drawn(self, colour: str, drawn: bool = True) -> None:
        """Wait until the first chart has, or does not have, pixels of a colour."""
        self.browser.until(lambda: (self.pixels(colour) > 5) == drawn, f"{colour} in the chart")

    def press_button(self, text: str) -> None:
        """Press a button of the first chart."""
        script = "return [...document.querySelectorAll('.multi button')]"
        script += ".find((each) => each.textContent === arguments[0])"
        self.browser.click(self.browser.run(script, text))

    @in_thread
    def test_charts(self) -> None:
        """Rows are added to a chart by key, button and drag; the address contains it."""
        records = ("count", "volts", "amps", "text", "one", "two")
        browser = self.open(*records, options=("--history", "60"))
        for record in ("amps", "text", "two"):
            browser.until_row(self.pv(record), lambda row: row.state in {"OK", "INVALID UDF"})
        for record in ("volts", "text"):
            browser.run("document.querySelector(arguments[0]).focus()", self._name(record))
            browser.press("c")
        self.until_legends(["volts"])
        browser.unfold(self.pv("amps"))
        browser.click(".to-chart")
        self.until_legends(["volts", "amps"])
        browser.click(self._name("amps"))
        # By drag, which leaves the table as it was.
        before = browser.rows()
        top = browser.find(".multi .chart").rect["y"] + 100
        handle = f'[aria-label="Move {self.pv("count")}"]'
        browser.drag(handle, 300, round(top - browser.find(handle).rect["y"]))
        self.until_legends(["volts", "amps", "count"])
        self.assertEqual(browser.rows(), before)
        for colour in ("series-1", "series-2", "series-3", "minor-line"):
            self.until_drawn(colour)
        # Arrays have an axis of their own, and so a chart of their own.
        for record in ("one", "two"):
            browser.run("document.querySelector(arguments[0]).focus()", self._name(record))
            browser.press("c")
        self.until_legends(["volts", "amps", "count"], ["one", "two"])
        self.assertEqual(violations(browser), [])
        # The address has it all.
        browser.driver.refresh()
        self.until_legends(["volts", "amps", "count"], ["one", "two"])
        self.until_drawn("series-3")

    @in_thread
    def test_compare(self) -> None:
        """Traces are hidden, emphasized, pinned and removed; all charts show the same time."""
        chart = f"&chart={self.pv('volts')},{self.pv('amps')}&chart={self.pv('count')}"
        browser = self.open("volts", rest=chart)
        self.until_drawn("series-2")
        browser.click(f'[title="{self.pv("amps")}: show or hide"]')
        self.until_drawn("series-2", drawn=False)
        browser.click(f'[title="{self.pv("amps")}: show or hide"]')
        self.until_drawn("series-2")
        axis = f'[title^="Emphasize {self.pv("volts")}"]'
        browser.click(axis)
        chosen = "return document.querySelector(arguments[0]).ariaPressed"
        browser.until(lambda: browser.run(chosen, axis) == "true", "the emphasis")
        browser.click('.multi [data-seconds="60"]')
        pressed = "return [...document.querySelectorAll('.multi [data-seconds=\"60\"]')]"
        pressed += ".map((each) => each.getAttribute('aria-pressed'))"
        browser.until(lambda: browser.run(pressed) == ["true", "true"], "a minute in both charts")
        self.press_button("Pin")
        self.set_record("amps", 9)
        browser.click(f'[aria-label="Remove {self.pv("amps")} from the chart"]')
        self.until_legends(["volts"], ["count"])
        # What was pinned of it is still there.
        self.until_drawn("series-2")
        self.press_button("Pin")
        self.until_drawn("series-2", drawn=False)
        for _ in range(2):
            self.press_button("Close")
        browser.until(lambda: browser.run("return charts.hidden"), "no charts")
        self.assertNotIn("chart=", browser.driver.current_url)

    @in_thread
    def test_history(self) -> None:
        """A page that opens shows the history, without a gap; older samples are archived."""
        self.patch(archiver, "TIMEOUT", 5)
        appliance: ArchiverAppliance = self.wait(ArchiverAppliance)
        self.addCleanup(appliance.stop)
        start = int(time.time()) - 3600
        stored = [Stored(start + 10 * i, 0, -i) for i in range(360)]
        appliance.samples[self.pv("count")] = stored
        options = ("--history", "60", "--archiver", appliance.url)
        # At 10/s, updates that a busy machine delays would replace each other.
        browser = self.open("count", options=options, rest="&rate=all")
        first = int(browser.until_row(self.pv("count"), lambda row: row.value).value)
        browser.until_row(self.pv("count"), lambda row: int(row.value or 0) > first + 20)
        browser.driver.refresh()
        opened = int(browser.until_row(self.pv("count"), lambda row: row.value).value)
        browser.unfold(self.pv("count"))
        values = [value for value in self._saved() if value > 0]
        self.assertLess(values[0], opened - 15)
        first = int(values[0])
        self.assertEqual(values, list(range(first, first + len(values))))
        # Zooming out loads more.
        script = "document.querySelector('.details canvas').focus()"
        browser.run(script)
        for _ in range(4):
            browser.press("-")
        older = browser.until(
            lambda: len(found := self._saved()) > 300 and found, "the archive in the chart"
        )
        self.assertEqual(older[:3], [older[0], older[0] - 1, older[0] - 2])
        self.assertEqual(sorted(set(older) & set(values)), values)

    @in_thread
    def test_archive_stays(self) -> None:
        """Samples of an archiver are requested once, and stay visible while new values arrive."""
        self.patch(archiver, "TIMEOUT", 5)
        appliance: ArchiverAppliance = self.wait(ArchiverAppliance)
        self.addCleanup(appliance.stop)
        name = self.pv("count")
        start = int(time.time()) - 86400
        appliance.samples[name] = [Stored(start + 20 * i, 0, -i) for i in range(4000)]
        browser = self.open("count", options=("--archiver", appliance.url))
        browser.until_row(name, lambda row: row.value)
        browser.unfold(name)
        browser.run("document.querySelector('.details canvas').focus()")
        for _ in range(9):
            browser.press("-")
        browser.until(lambda: len(self._saved()) > 500, "the archive in the chart")
        requested = len(appliance.requests)
        shown_value = int(browser.until_row(name, bool).value)
        browser.until_row(name, lambda row: int(row.value) > shown_value + 15)
        self.assertEqual(len(appliance.requests), requested)
        self.assertGreater(len(self._saved()), 500)

    def _saved(self) -> list[float]:
        """Return the values that the chart saves."""
        self.browser.run(_SAVED)
        self.browser.click('.details figcaption button[title*="CSV"]')
        text = self.browser.until(lambda: self.browser.run("return saved[0]"), "the file")
        values = [line.split(",")[1] for line in text.split("\r\n")[1:-1]]
        return [float(value) for value in values if value]

    def _name(self, record: str) -> str:
        return f'#rows .name[title="{self.pv(record)}"]'
