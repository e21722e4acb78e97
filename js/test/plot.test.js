import assert from "node:assert/strict";
import { test } from "node:test";
import { axisFor } from "../../pycawamp/web/static/plot/axis.js";
import { History } from "../../pycawamp/web/static/plot/history.js";
import { waveSeries } from "../../pycawamp/web/static/plot/series.js";
import { decimalsFor, numberTicks, ticks, timeTicks } from "../../pycawamp/web/static/plot/ticks.js";
import { extent, historyExtent, lineTrace, stepPen, stepTrace } from "../../pycawamp/web/static/plot/traces.js";
import { Viewport } from "../../pycawamp/web/static/plot/viewport.js";

const all = (history) => Array.from({ length: history.length }, (_, i) => [history.time(i), history.value(i)]);
const unit = { x: (x) => x, y: (y) => y, column: 0.5 };

class FakePath {
  moves = [];
  moveTo(x, y) {
    this.moves.push(["M", x, y]);
  }
  lineTo(x, y) {
    this.moves.push(["L", x, y]);
  }
}

test("slow updates are all kept, in order", () => {
  const history = new History({ seconds: 600, capacity: 600 });
  for (let i = 0; i < 100; i += 1) history.push(i * 4, i);
  assert.deepEqual(all(history), Array.from({ length: 100 }, (_, i) => [i * 4, i]));
});

test("all samples of ten minutes at 10 Hz are kept", () => {
  const history = new History();
  for (let i = 0; i < 6000; i += 1) history.push(i / 10, i % 7);
  assert.equal(history.length, 6000);
});

test("memory is bounded, the newest samples are kept, and times never decrease", () => {
  const history = new History({ seconds: 60, capacity: 480 });
  for (let i = 0; i < 100000; i += 1) history.push(i / 100, Math.sin(i / 50));
  assert.ok(history.length <= 480);
  assert.equal(history.bytes, 480 * 17);
  const times = all(history).map(([time]) => time);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.ok(times[0] <= 999.99 - 60, `reaches back to ${times[0]}`);
  assert.deepEqual(times.slice(-100), Array.from({ length: 100 }, (_, i) => (99900 + i) / 100));
  history.push(5, 1);
  assert.equal(history.time(history.length - 1), 999.99);
});

test("samples with equal times do not exceed the capacity", () => {
  const history = new History({ seconds: 60, capacity: 480 });
  for (let i = 0; i < 5000; i += 1) history.push(7, i % 2 ? NaN : i);
  assert.ok(history.length <= 480);
  assert.equal(history.value(history.length - 2), 4998);
});

test("peaks are kept", () => {
  for (let round = 0; round < 30; round += 1) {
    const history = new History({ seconds: 100, capacity: 160 });
    const count = 5000;
    // Of these, the last 100 s are kept, which contain two peaks.
    const peaks = [4100 + round * 7, 4600 + round * 11];
    for (let i = 0; i < count; i += 1) history.push(i / 10, peaks.includes(i) ? (i === peaks[0] ? 9 : -9) : i % 3);
    assert.deepEqual(historyExtent(history, [400, 500]), [-9, 9], `round ${round}`);
    assert.equal(history.value(history.length - 1), (count - 1) % 3);
  }
});

test("thinning keeps gaps", () => {
  const history = new History({ seconds: 100, capacity: 160 });
  for (let i = 0; i < 1000; i += 1) history.push(i / 10, i === 500 ? NaN : 1);
  const gap = all(history).findIndex(([, value]) => Number.isNaN(value));
  assert.equal(history.time(gap), 50);
  assert.ok(gap > 0 && gap < history.length - 1);
});

test("a copy does not change", () => {
  const history = new History();
  history.push(1, 1);
  const copy = history.clone();
  history.push(2, 2);
  assert.equal(copy.length, 1);
});

test("the index of a time", () => {
  const history = new History();
  for (const time of [10, 20, 30]) history.push(time, time);
  assert.deepEqual([5, 10, 15, 30, 31].map((time) => history.indexOf(time)), [0, 0, 1, 2, 3]);
});

test("steps extend each value to the next, and the last to the current time", () => {
  const history = new History();
  history.push(0, 1);
  history.push(10, 5);
  const parts = [];
  stepTrace((...part) => parts.push(part), history, unit, [0, 20], 15);
  assert.deepEqual(parts, [[0, 10, 1, 1], [10, 10, 1, 5], [10, 15, 5, 5]]);
  history.push(12, NaN);
  history.push(14, 7);
  parts.length = 0;
  stepTrace((...part) => parts.push(part), history, unit, [5, 20], 15);
  assert.deepEqual(parts, [[5, 10, 1, 1], [10, 10, 1, 5], [10, 12, 5, 5], [14, 15, 7, 7]]);
});

test("thousands of samples cost one rectangle per pixel column, and lose no peak", () => {
  const history = new History();
  for (let i = 0; i < 6000; i += 1) history.push(i / 100, i === 3333 ? 99 : i % 7);
  const parts = [];
  stepTrace((...part) => parts.push(part), history, { ...unit, column: 1 }, [0, 60], 60);
  assert.ok(parts.length <= 62, `${parts.length} parts`);
  assert.deepEqual(parts.find(([, , , high]) => high === 99)?.slice(0, 2), [33, 33]);
});

test("dashes of steps move with the picture", () => {
  const drawn = (origin, draw) => {
    const columns = new Set();
    const context = { fillRect: (x, _y, width) => Array.from({ length: width }, (_, i) => columns.add(x + 0.5 + i + origin)) };
    draw(stepPen(context, 1, [3, 2], origin));
    return [...columns].sort((a, b) => a - b);
  };
  assert.deepEqual(drawn(0, (pen) => pen(0, 12, 5, 5)), [0, 1, 2, 5, 6, 7, 10, 11]);
  assert.deepEqual(drawn(7, (pen) => pen(-7, 5, 5, 5)), drawn(0, (pen) => pen(0, 12, 5, 5)));
  assert.deepEqual(drawn(0, (pen) => [6, 8].forEach((x) => pen(x, x, 1, 9))), [6]);
});

test("a million elements cost two lines per pixel and lose no spike", () => {
  const list = new Float32Array(1e6);
  list[654321] = 9;
  const path = new FakePath();
  lineTrace(path, list, { x: (i) => (i / 1e6) * 500, y: (y) => y }, [0, 1e6]);
  assert.ok(path.moves.length <= 1002, `${path.moves.length} lines`);
  assert.ok(path.moves.some(([, , y]) => y === 9));
  assert.deepEqual(extent([NaN, 2, -Infinity, 7, null]), [0, 7]);
  assert.ok(extent([])[0] > extent([])[1]);
});

test("ticks are round numbers within the range", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(-0.3, 0.3, 3).map((tick) => tick.toFixed(decimalsFor(-0.3, 0.3, 3))), ["-0.2", "0.0", "0.2"]);
  assert.deepEqual(ticks(1, 1, 5), []);
  assert.deepEqual(ticks(NaN, 1, 5), []);
  assert.deepEqual(timeTicks(61, 299, 5), [120, 180, 240]);
});

test("a zoomed live strip chart ends at the current time, a fixed range does not move", () => {
  let now = 1000;
  const viewport = new Viewport(() => [now - 600, now], 300, 0.5);
  viewport.zoom(0.5, 0.1);
  assert.deepEqual(viewport.range, [850, 1000]);
  assert.equal(viewport.zoomed, true);
  viewport.select(0.5, 0.25);
  now = 1010;
  assert.deepEqual(viewport.range, [887.5, 925]);
  viewport.pan(-100);
  assert.deepEqual(viewport.range, [410, 447.5]);
  viewport.follow();
  assert.deepEqual(viewport.range, [710, 1010]);
  assert.equal(viewport.zoomed, false);
  viewport.zoom(100, 0.5);
  assert.deepEqual(viewport.range, [410, 1010]);
});

test("labels of large, small and close numbers are distinct and have exponents", () => {
  assert.deepEqual(numberTicks(0, 4e-9, 4).map(({ label }) => label), ["0", "1e-9", "2e-9", "3e-9", "4e-9"]);
  assert.deepEqual(numberTicks(1e7, 1.2e7, 2).map(({ label }) => label), ["1.0e7", "1.1e7", "1.2e7"]);
  assert.deepEqual(numberTicks(0, 2, 4).map(({ label }) => label), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
  for (const [low, high] of [[1e9, 1e9 + 1e-3], [-5e-7, 5e-7], [-1e300, 1e300], [9e5, 1.1e6]]) {
    const labels = numberTicks(low, high, 5).map(({ label }) => label);
    assert.equal(new Set(labels).size, labels.length, labels.join());
  }
});

test("a log axis shows decades, and numbers without a logarithm below it", () => {
  const axis = axisFor({ log: true, range: null }, (above) => (above === 0 ? [1e-6, 100] : [-5, 100]), 10);
  assert.ok(Math.abs(axis.part(1e-2) - 0.5) < 0.01);
  assert.ok(axis.part(0) < 0 && axis.part(-3) < 0);
  assert.ok(axis.ticks.some(({ label }) => label === "1e-6") && axis.ticks.some(({ label }) => label === "100"));
  assert.deepEqual(axisFor({ log: true, range: null }, () => [Infinity, -Infinity], 5).range, [1, 10]);
});

test("a fixed range does not depend on the visible values", () => {
  const axis = axisFor({ log: false, range: [0, 10] }, () => [5, 500], 5);
  assert.deepEqual([axis.range, axis.part(5)], [[0, 10], 0.5]);
  assert.deepEqual(historyExtent({ length: 3, indexOf: () => 0, time: (i) => i, value: (i) => [-1, 2, 0][i] }, [0, 9], 0), [2, 2]);
});

test("ticks of elements are whole numbers", () => {
  const { xTicks } = waveSeries({ traces: () => [], length: () => 3 });
  const labels = (from, to) => xTicks([from, to], 5).map(({ label }) => label);
  assert.deepEqual(labels(0, 2), ["0", "1", "2"]);
  assert.deepEqual(labels(0.2, 0.8), []);
  assert.deepEqual(labels(0, 999), ["0", "200", "400", "600", "800"]);
});
