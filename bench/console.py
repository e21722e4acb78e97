"""The console in Chromium with many PVs: frame rate and memory.

`python -m bench.console --minutes 10` prints a Markdown table with a row per minute.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import attrs

from bench import machine, processes, procfs, records
from bench.report import Table, exact, mib, number
from bench.settings import OURS
from harness.browser import missing
from harness.console import ConsoleBrowser

COLUMNS = (
    "minute",
    "updates/s",
    "frames/s",
    "p99 frame ms",
    "longest ms",
    "script ms/frame p50",
    "p99",
    "main thread ms/frame",
    "page's cores",
    "heap MiB",
    "DOM nodes",
    "RSS MiB",
)
SETTLE_S = 5.0
# Before the page's own scripts: what these take, and how far frames are apart, in milliseconds.
_COUNT_FRAMES = """
(() => {
  window.frames_ = { between: [], script: [] };
  let [last, spent] = [performance.now(), 0];
  const timed = (act) => function (...given) {
    const start = performance.now();
    try { return act.apply(this, given); } finally { spent += performance.now() - start; }
  };
  const nextFrame = window.requestAnimationFrame.bind(window);
  for (const name of ["requestAnimationFrame", "setTimeout", "setInterval"]) {
    const original = window[name].bind(window);
    window[name] = (act, ...rest) => original(timed(act), ...rest);
  }
  const { get, set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  const taken = function (act) { set.call(this, act && timed(act)); };
  Object.defineProperty(WebSocket.prototype, "onmessage", { get, set: taken });
  // Asked for in the frame before, it comes before what the page asks for: it counts whole frames.
  nextFrame(function next(now) {
    window.frames_.between.push(now - last);
    window.frames_.script.push(spent);
    [last, spent] = [now, 0];
    nextFrame(next);
  });
})();
"""
# A few numbers, not lists of frames: the browser keeps everything that it returns to the driver.
_TAKE_FRAMES = """
const [between, script] = [window.frames_.between, window.frames_.script].map(
  (list) => list.splice(0).sort((a, b) => a - b));
const seconds = between.reduce((sum, each) => sum + each, 0) / 1000;
const at = (list, part) => list[Math.floor(part * list.length)];
return [between.length, between.length / seconds, at(between, 0.99), between.at(-1),
  at(script, 0.5), at(script, 0.99)];
"""
_TRAFFIC = "return document.getElementById('traffic').textContent"


@attrs.frozen
class Sample:
    """The measurements of a minute."""

    minutes: float
    updates: str
    frames: float
    """Per second."""
    p99: float
    """Milliseconds between frames."""
    longest: float
    script: float
    """Milliseconds that the page's scripts take for a frame, half of the frames less."""
    script_p99: float
    main_thread: float
    """Milliseconds of the page's main thread for a frame, painting included."""
    cores: float
    heap: float
    nodes: int
    rss_kib: int

    def cells(self) -> list[str]:
        """The columns of the table."""
        return [
            exact(self.minutes),
            self.updates,
            exact(self.frames),
            number(self.p99),
            number(self.longest),
            number(self.script),
            number(self.script_p99),
            number(self.main_thread),
            number(self.cores),
            exact(self.heap / 2**20),
            str(self.nodes),
            mib(self.rss_kib),
        ]


def main() -> int:
    """Run; return 1 if there is no browser."""
    arguments = _parser().parse_args()
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    print("\n".join(f"- {line}" for line in machine.describe()), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = records.counters(folder, arguments.pvs, arguments.hertz)
        with (
            processes.ioc(source.database) as server,
            processes.gateway(OURS, server, folder) as gateway,
        ):
            samples = _watch(arguments, gateway.port, source.names)
    title = f"The console with {arguments.pvs} PVs at {arguments.hertz:g} Hz"
    print(Table(title, COLUMNS, [sample.cells() for sample in samples]).markdown())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.console", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS", help="a row each")
    parser.add_argument("--pvs", type=int, default=500)
    parser.add_argument("--hertz", type=float, default=10)
    parser.add_argument("--open", type=int, default=1, help="rows with open details")
    parser.add_argument("--charted", type=int, default=0, help="PVs in one chart")
    return parser


def _watch(arguments: argparse.Namespace, port: int, names: tuple[str, ...]) -> list[Sample]:
    browser = ConsoleBrowser(1280, 900)
    try:
        charted = ",".join(names[: arguments.charted])
        chart = f"&chart={charted}" if charted else ""
        browser.command("Page.addScriptToEvaluateOnNewDocument", source=_COUNT_FRAMES)
        browser.open(f"http://127.0.0.1:{port}/?pv={','.join(names)}{chart}")
        # DevTools copies each WebSocket frame while its network domain is enabled.
        browser.command("Network.disable")
        browser.command("Performance.enable")
        # Below a chart, possibly no row is visible.
        if not charted:
            browser.until_row(names[0], lambda row: row.state == "OK", 60)
        for name in names[: arguments.open]:
            browser.unfold(name)
        time.sleep(SETTLE_S)
        return list(_samples(browser, arguments))
    finally:
        browser.quit()


def _samples(browser: ConsoleBrowser, arguments: argparse.Namespace) -> list[Sample]:
    page = procfs.busiest_renderer(browser.pid)
    start = time.monotonic()
    samples = []
    while time.monotonic() < start + 60 * arguments.minutes:
        before = _metrics(browser)["TaskDuration"]
        browser.run(_TAKE_FRAMES)
        begin = procfs.Moment.of(page)
        time.sleep(arguments.every)
        count, frames, p99, longest, script, script_p99 = browser.run(_TAKE_FRAMES)
        busy = _metrics(browser)["TaskDuration"] - before
        cores = procfs.Moment.of(page).cores_since(begin)
        updates = browser.run(_TRAFFIC).removesuffix(" updates/s")
        browser.command("HeapProfiler.collectGarbage")
        metrics = _metrics(browser)
        minutes = (time.monotonic() - start) / 60
        sample = Sample(
            minutes,
            updates,
            frames,
            p99,
            longest,
            script,
            script_p99,
            1000 * busy / count,
            cores,
            metrics["JSHeapUsedSize"],
            int(metrics["Nodes"]),
            procfs.rss_kib(page),
        )
        print(" ".join(sample.cells()), file=sys.stderr, flush=True)
        samples.append(sample)
    return samples


def _metrics(browser: ConsoleBrowser) -> dict[str, float]:
    metrics = browser.command("Performance.getMetrics")["metrics"]
    return {metric["name"]: metric["value"] for metric in metrics}


if __name__ == "__main__":
    sys.exit(main())
