"""Charts of the console beside uPlot: time per redraw, and size. `python -m bench.charts`.

uPlot comes from the npm registry for the run; nothing of it is part of this project.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from bench import machine, procfs
from bench.processes import ROOT
from bench.report import Table, number
from harness.browser import Browser, missing

VERSION = "1.6.32"
WARM_UP = 20
STATIC = ROOT / "pycawamp" / "web" / "static"
OURS = ("plot", "view")
COLUMNS = ("20 traces of 3,000 samples", "CPU", "time p50", "time p99")
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>charts</title>
<link rel="stylesheet" href="static/console.css">
<link rel="stylesheet" href="uplot/uPlot.min.css">
<script src="uplot/uPlot.iife.min.js"></script>
<body><canvas id="own" style="width: 1200px; height: 300px; display: block"></canvas>
<div id="uplot"></div></body>
"""
# Both draw steps; uPlot gets all traces with the same times, which is its best case.
SET_UP = """
const done = arguments[arguments.length - 1];
const [PVS, SAMPLES, PERIOD] = [20, 3000, 0.1];
const valueOf = (pv, k) => Math.sin(k / (20 + pv)) * (pv + 1) + Math.sin(k * 12.9898 + pv) * 0.3;
const start = Math.floor(Date.now() / 1000) - SAMPLES * PERIOD;
const timeOf = (k) => start + k * PERIOD;
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

async function own() {
  const { Chart } = await import("/static/plot/chart.js");
  const { History } = await import("/static/plot/history.js");
  const { stripSeries, stripTrace } = await import("/static/plot/series.js");
  const histories = Array.from({ length: PVS }, () => new History());
  let newest = -1;
  const now = () => timeOf(newest);
  const add = () => {
    newest += 1;
    histories.forEach((history, pv) => history.push(timeOf(newest), valueOf(pv, newest)));
  };
  for (let k = 0; k < SAMPLES; k += 1) add();
  const clock = { now, utc: () => false };
  const traces = histories.map((history, pv) => ({
    ...stripTrace({ samples: () => history, metadata: () => null, text: String, ...clock }),
    style: { colour: `series-${(pv % 8) + 1}`, tag: String(pv + 1), axis: "" },
  }));
  const seconds = SAMPLES * PERIOD;
  const series = stripSeries({ traces: () => traces, reach: () => 600, seconds, ...clock });
  const canvas = document.getElementById("own");
  const chart = new Chart(canvas, series, () => {});
  await frame();
  await frame();
  return {
    context: canvas.getContext("2d"),
    live: () => { add(); chart.draw(); },
    zoom: (k) => { series.viewport.follow(seconds - (k % 2) * 10); chart.draw(); },
    still: () => chart.draw(),
  };
}

async function other() {
  const data = [[], ...Array.from({ length: PVS }, () => [])];
  let newest = -1;
  const add = () => {
    newest += 1;
    data[0].push(timeOf(newest));
    for (let pv = 0; pv < PVS; pv += 1) data[pv + 1].push(valueOf(pv, newest));
  };
  for (let k = 0; k < SAMPLES; k += 1) add();
  const paths = uPlot.paths.stepped({ align: 1 });
  const line = { stroke: "#0b57c2", width: 1.5, paths, points: { show: false } };
  const series = [{}, ...Array.from({ length: PVS }, () => ({ ...line }))];
  const options = { width: 1200, height: 300, series, legend: { show: false } };
  const plot = new uPlot(options, data, document.getElementById("uplot"));
  await frame();
  const drawn = () => new Promise((resolve) => queueMicrotask(resolve));
  return {
    context: plot.ctx,
    live: () => {
      add();
      for (const list of data) list.shift();
      plot.setData(data);
      return drawn();
    },
    zoom: (k) => {
      plot.setScale("x", { min: timeOf(newest - SAMPLES + (k % 2) * 100), max: timeOf(newest) });
      return drawn();
    },
    still: () => { plot.redraw(); return drawn(); },
  };
}

Promise.all([own(), other()]).then(([ours, theirs]) => {
  window.drawn_ = { own: ours, uPlot: theirs };
  done("");
}, (error) => done(String(error.stack)));
"""
# Median and 99th percentile of the milliseconds of redraws, painting included.
REDRAW = """
const [name, act, rounds, done] = arguments;
const how = window.drawn_[name];
(async () => {
  const times = [];
  for (let k = 0; k < rounds; k += 1) {
    const begin = performance.now();
    await how[act](k);
    // What was drawn is painted now, not after some frame.
    how.context.getImageData(0, 0, 1, 1);
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return [0.5, 0.99].map((part) => times[Math.floor(part * rounds)]);
})().then(done, (error) => done(String(error.stack)));
"""
ACTS = {
    "live": "a sample more for each trace",
    "zoom": "another range of time",
    "still": "the same once more",
}


def main() -> int:
    """Run; return 1 if something is missing."""
    parser = argparse.ArgumentParser("python -m bench.charts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="redraws of each kind")
    arguments = parser.parse_args()
    npm = shutil.which("npm")
    if problem := missing() or (None if npm else "no npm"):
        print(problem, file=sys.stderr)
        return 1
    print("\n".join(f"- {line}" for line in machine.describe()), flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install = [str(npm), "install", "--silent", "--prefix", name, f"uplot@{VERSION}"]
        subprocess.run(install, check=True)
        library = folder / "node_modules" / "uplot" / "dist"
        (folder / "index.html").write_text(PAGE)
        (folder / "uplot").symlink_to(library)
        (folder / "static").symlink_to(STATIC)
        with _served(folder) as url:
            print(_measure(url, arguments.rounds).markdown(), end="\n\n")
        print(_sizes(library).markdown())
    return 0


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def _measure(url: str, rounds: int) -> Table:
    browser = Browser(1280, 900)
    try:
        browser.open(url)
        browser.driver.set_script_timeout(100)
        _run(browser, SET_UP)
        rows = []
        for act, text in ACTS.items():
            for name in ("own", "uPlot"):
                _run(browser, REDRAW, name, act, WARM_UP)
                times = _redraw(browser, name, act, rounds)
                rows.append([f"{name}: {text}", *map(number, times)])
    finally:
        browser.quit()
    return Table("Milliseconds of a redraw", COLUMNS, rows)


def _redraw(browser: Browser, name: str, act: str, rounds: int) -> list[float]:
    """Return the CPU time of the page's process for a redraw, and times, in milliseconds."""
    page = procfs.busiest_renderer(browser.pid)
    before = procfs.cpu_seconds(page)
    times: list[float] = _run(browser, REDRAW, name, act, rounds)
    return [1000 * (procfs.cpu_seconds(page) - before) / rounds, *times]


def _run(browser: Browser, script: str, *arguments: Any) -> Any:
    found = browser.driver.execute_async_script(script, *arguments)
    if isinstance(found, str) and found:
        raise SystemExit(found)
    return found


def _sizes(library: Path) -> Table:
    modules = [path for folder in OURS for path in sorted((STATIC / folder).glob("*.js"))]
    ours = b"".join(path.read_bytes() for path in modules)
    theirs = (library / "uPlot.iife.min.js").read_bytes()
    rows = [
        ["own: plot/ and view/, with comments", *_size(ours)],
        ["uPlot, minified", *_size(theirs)],
    ]
    return Table("Size", ("", "bytes", "compressed"), rows)


def _size(content: bytes) -> list[str]:
    return [f"{len(content):,}", f"{len(gzip.compress(content)):,}"]


if __name__ == "__main__":
    sys.exit(main())
