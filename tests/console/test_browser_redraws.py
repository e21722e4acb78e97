"""Plots and trends are drawn again only when their picture changes."""

from __future__ import annotations

from typing import ClassVar

from tests.support.console_case import WebTestCase, in_thread

RECORDS = 'record(ao, "$(P)level") { field(VAL, "1.25") field(PINI, "YES") field(PREC, "2") }'
# Counts how often both plots and the trend are drawn, within a time in milliseconds.
DRAWN = """
const [time, done] = arguments;
const all = (kind) => [...document.querySelectorAll(`canvas.${kind}`)];
const plots = [...all("chart"), ...all("trend")];
const count = new Map(plots.map((canvas) => [canvas, 0]));
const { clearRect } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...place) {
  if (count.has(this.canvas)) count.set(this.canvas, count.get(this.canvas) + 1);
  return clearRect.apply(this, place);
};
setTimeout(() => {
  CanvasRenderingContext2D.prototype.clearRect = clearRect;
  done([...count.values()]);
}, time);
"""


class RedrawTests(WebTestCase):
    """The console with a plot in a row and a chart, of a value that does not change."""

    RECORDS: ClassVar[str] = RECORDS

    @in_thread
    def test_still(self) -> None:
        """They move by one pixel at a time, and are not drawn while the page is paused."""
        level = self.pv("level")
        browser = self.open("level", rest=f"&chart={level}")
        browser.until_row(level, lambda row: row.value == "1.25")
        browser.unfold(level)
        for plot in (".multi .chart", ".details .chart"):
            browser.until(lambda: browser.drawn(plot), plot)  # noqa: B023
        trends = []
        for maximum, key in ((14, "p"), (4, "p")):
            drawn = browser.driver.execute_async_script(DRAWN, 2000)
            self.assertEqual(len(drawn), 3)
            *plots, trend = drawn
            for times in plots:
                self.assertGreater(times, 0)
                self.assertLessEqual(times, maximum)
            # In two minutes, the trend moves by about 250 pixels.
            self.assertLessEqual(trend, maximum // 2)
            trends.append(trend)
            browser.press(key)
        self.assertGreater(trends[0], 0)
        self.assertEqual(trends[1], 0)
