"""Charts draw only new samples: the image must be the same as when drawing everything."""

from __future__ import annotations

from typing import Any

from tests.support.console_case import WebTestCase, in_thread

# Draws a chart step by step, and another one at once. Returns how many pixels differ,
# how many are drawn, and how many columns a step has drawn anew, on average.
COMPARE = """
const [ratio, log, done] = arguments;
Promise.all(["chart", "history", "series"].map((name) => import(`/static/plot/${name}.js`))).then(
  async ([{ Chart }, { History }, { stripSeries, stripTrace }]) => {
    let [now, random, cleared] = [1.8e9, 1, 0];
    const next = () => (random = (random * 16807) % 2147483647) / 2147483647;
    const histories = Array.from({ length: 4 }, () => new History({ seconds: 60, capacity: 480 }));
    const traces = histories.map((history, i) => ({
      ...stripTrace({ samples: () => history, now: () => now, utc: () => true, metadata: () => null, text: String }),
      style: { colour: `series-${i + 1}`, tag: String(i + 1), axis: String(i % 2), chosen: i === 1 },
    }));
    const newChart = async () => {
      const canvas = document.createElement("canvas");
      canvas.style = "position: fixed; top: 0; left: 0; width: 601px; height: 240px";
      document.body.append(canvas);
      const series = stripSeries({ traces: () => traces, now: () => now, reach: () => 600, utc: () => true, seconds: 20 });
      const chart = new Chart(canvas, series, () => {});
      chart.axis.log = log;
      for (let i = 0; i < 3; i += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
      return { canvas, chart };
    };
    const { canvas, chart } = await newChart();
    const clear = CanvasRenderingContext2D.prototype.clearRect;
    CanvasRenderingContext2D.prototype.clearRect = function (x, y, width, height) {
      if (!this.canvas.isConnected) cleared += width;
      clear.call(this, x, y, width, height);
    };
    for (let step = 0; step < 400; step += 1) {
      now += next() * 0.1;
      histories.forEach((history, i) => {
        if (next() < [0.9, 0.5, 0.05, 0.01][i]) history.push(now - next() * 0.2, next() < 0.02 ? NaN : 1 + i + next(), next() < 0.3 ? Math.floor(next() * 4) : 0);
      });
      chart.draw();
    }
    const perStep = cleared / 400;
    const other = await newChart();
    other.chart.draw();
    chart.draw();
    const [one, two] = [canvas, other.canvas].map((each) => each.getContext("2d").getImageData(0, 0, each.width, each.height).data);
    let [differing, drawn] = [0, 0];
    for (let i = 0; i < one.length; i += 4) {
      drawn += Number(one[i + 3] > 0);
      differing += Number([0, 1, 2, 3].some((part) => Math.abs(one[i + part] - two[i + part]) > 40));
    }
    done([canvas.width, one.length === two.length ? differing : -1, drawn, perStep]);
  }).catch((error) => done(String(error.stack)));
"""  # noqa: E501


class LayerTests(WebTestCase):
    """Charts in a page of the gateway's."""

    def compare(self, ratio: float, log: bool) -> list[Any]:
        """Draw both ways on a screen with this number of device pixels per CSS pixel."""
        self.browser.size(800, 600, scale=ratio)
        self.open()
        found: list[Any] = self.browser.driver.execute_async_script(COMPARE, ratio, log)
        return found

    @in_thread
    def test_same_picture(self) -> None:
        """After hundreds of updates, the image is the same as if drawn at once, on any screen."""
        for ratio, log in ((1.0, False), (1.5, True), (2.0, False)):
            width, differing, drawn, per_step = self.compare(ratio, log)
            self.assertEqual(width, round(601 * ratio))
            self.assertGreater(drawn, 10_000)
            self.assertLess(differing, drawn / 500, ratio)
            self.assertLess(per_step, width / 4, ratio)
