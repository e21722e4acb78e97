"""A chart of many traces: the script's time of a redraw, beside that of uPlot.

`python -m bench.charts --uplot FILE` compares with uPlot, of which FILE is `uPlot.iife.js` of the
npm package. Both draw the same samples as steps, in Chromium without a graphics card.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import machine, processes
from bench.report import Table, number
from harness.browser import missing
from harness.console import ConsoleBrowser

COLUMNS = ("traces", "samples each", "chart ms", "uPlot ms")
SIZES = ((1, 3000), (20, 3000), (20, 6000), (1, 100_000))
SCRIPT = Path(__file__).with_name("charts.js")
_RUN = """
const [which, traces, samples, done] = arguments;
Promise.resolve().then(() => charts_[which](charts_.samplesOf(traces, samples)))
  .then(done, (error) => done(String(error)));
"""


def main() -> int:
    """Run; return 1 if there is no browser."""
    parser = argparse.ArgumentParser("python -m bench.charts", description=__doc__)
    parser.add_argument("--uplot", type=Path, metavar="FILE", help="uPlot.iife.js")
    arguments = parser.parse_args()
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    print("\n".join(f"- {line}" for line in machine.describe()), flush=True)
    with tempfile.TemporaryDirectory() as folder, processes.demo(Path(folder)) as port:
        browser = ConsoleBrowser(1280, 900)
        try:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.driver.set_script_timeout(60)
            browser.run(SCRIPT.read_text())
            if arguments.uplot:
                browser.run(f"{arguments.uplot.read_text()}\nglobalThis.uPlot = uPlot;")
            rows = [_row(browser, *size, bool(arguments.uplot)) for size in SIZES]
        finally:
            browser.quit()
    print(Table("A redraw", COLUMNS, rows).markdown())
    return 0


def _row(browser: ConsoleBrowser, traces: int, samples: int, with_uplot: bool) -> list[str]:
    def measured(which: str) -> str:
        found = browser.driver.execute_async_script(_RUN, which, traces, samples)
        return found if isinstance(found, str) else number(found)

    theirs = measured("uplot") if with_uplot else "-"
    return [str(traces), f"{samples:,}", measured("ours"), theirs]


if __name__ == "__main__":
    sys.exit(main())
