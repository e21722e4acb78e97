import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../pycawamp/web/static/plot/history.js";
import { decimalsFor, ticks, timeTicks } from "../../pycawamp/web/static/plot/ticks.js";
import { extent, historyExtent, lineTrace, stepTrace } from "../../pycawamp/web/static/plot/traces.js";
import { Viewport } from "../../pycawamp/web/static/plot/viewport.js";

const all = (history) => Array.from({ length: history.length }, (_, i) => [history.time(i), history.value(i)]);
const unit = { x: (x) => x, y: (y) => y };

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

test("memory is bounded, the newest stay, and time never runs back", () => {
  const history = new History({ seconds: 60, capacity: 300 });
  for (let i = 0; i < 100000; i += 1) history.push(i / 100, Math.sin(i / 50));
  assert.ok(history.length <= 301);
  assert.equal(history.bytes, 300 * 16);
  const times = all(history).map(([time]) => time);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.ok(times[0] <= 999.99 - 60, `reaches back to ${times[0]}`);
  history.push(5, 1);
  assert.equal(history.time(history.length - 1), 999.99);
});

test("peaks and the last value survive any burst", () => {
  for (let round = 0; round < 200; round += 1) {
    const history = new History({ seconds: 300, capacity: 30 });
    const burst = Array.from({ length: 1 + (round % 9) }, () => Math.round(Math.random() * 20));
    burst.forEach((value, i) => history.push(i, value));
    const kept = all(history).map(([, value]) => value);
    assert.deepEqual([Math.min(...kept), Math.max(...kept), kept.at(-1)], [Math.min(...burst), Math.max(...burst), burst.at(-1)], String(burst));
    assert.ok(kept.length <= 3);
  }
});

test("a gap is kept as one", () => {
  const history = new History({ seconds: 300, capacity: 30 });
  for (const value of [1, 2, 3, NaN, 4]) history.push(10, value);
  assert.deepEqual(all(history).map(([, value]) => value), [1, 3, NaN, 4]);
  assert.deepEqual(historyExtent(history, [0, 20]), [1, 4]);
});

test("a copy does not follow", () => {
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

test("steps hold each value until the next, and the last until now", () => {
  const history = new History();
  history.push(0, 1);
  history.push(10, 5);
  const path = new FakePath();
  stepTrace(path, history, unit, [0, 20], 15);
  assert.deepEqual(path.moves.at(0), ["M", 0, 1]);
  assert.deepEqual(path.moves.at(-1), ["L", 15, 5]);
  assert.ok(path.moves.some(([, x, y]) => x === 10 && y === 1), "a corner");
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

test("ticks are round and inside", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(-0.3, 0.3, 3).map((tick) => tick.toFixed(decimalsFor(-0.3, 0.3, 3))), ["-0.2", "0.0", "0.2"]);
  assert.deepEqual(ticks(1, 1, 5), []);
  assert.deepEqual(ticks(NaN, 1, 5), []);
  assert.deepEqual(timeTicks(61, 299, 5), [120, 180, 240]);
});

test("a live strip keeps its end at now when zoomed, a fixed part stays", () => {
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
