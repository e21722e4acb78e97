import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../pycawamp/web/static/plot/history.js";
import { inserted, joined, ofSeverity, severitiesIn, timelineOf } from "../../pycawamp/web/static/plot/views.js";

const lists = (timestamps, values, severities = values.map(() => 0)) => ({ pvname: "X", timestamps: Float64Array.from(timestamps), values: Float64Array.from(values), severities: Uint8Array.from(severities) });
const all = (timeline) => Array.from({ length: timeline.length }, (_, i) => [timeline.time(i), timeline.value(i)]);

test("joined timelines have no duplicate samples", () => {
  const older = timelineOf(lists([1, 2, 3, 4], [10, 20, 30, 40]));
  const newer = timelineOf(lists([2.5, 3, 4, 5], [1, 3, 4, 5]));
  const both = joined(older, newer, 3);
  assert.deepEqual(all(both), [[1, 10], [2, 20], [3, 3], [4, 4], [5, 5]]);
  assert.deepEqual([0, 2, 2.5, 3, 9].map((time) => both.indexOf(time)), [0, 1, 2, 2, 5]);
});

test("an inserted part does not hide earlier samples", () => {
  const own = new History();
  for (const time of [1, 3, 5, 7, 9]) own.push(time, time);
  // With the sample that is the value at its beginning.
  const part = timelineOf(lists([3.5, 4.5, 6, 7], [35, 45, 60, 70]));
  const timeline = inserted(part, 4, own, 8);
  assert.deepEqual(all(timeline), [[1, 1], [3, 3], [3.5, 35], [4.5, 45], [6, 60], [7, 70], [9, 9]]);
  own.push(10, 10);
  assert.deepEqual(all(timeline).at(-1), [10, 10]);
  assert.equal(timeline.indexOf(4.5), 3);
  assert.deepEqual(all(inserted(part, -5, own, 8))[0], [3.5, 35]);
});

test("a timeline is split by severity", () => {
  const timeline = timelineOf(lists([1, 2, 3], [10, 20, 30], [0, 2, 2]));
  assert.deepEqual(all(ofSeverity(timeline, 2)), [[1, NaN], [2, 20], [3, 30]]);
  assert.deepEqual([...severitiesIn(timeline, [0, 1.5])], [0]);
  assert.deepEqual([...severitiesIn(timeline, [2.5, 9])], [2]);
});

test("an empty history takes earlier samples, including the value at its start, but none from the future", () => {
  const history = new History({ seconds: 100 });
  assert.equal(history.catchUp(lists([-50, 10, 20, 999], [1, 2, 3, 4], [0, 1, 0, 0]), 105), false);
  assert.deepEqual(all(history), [[-50, 1], [10, 2], [20, 3]]);
  assert.equal(history.severity(1), 1);
  assert.equal(history.catchUp(lists([30], [5], [0]), 105), true);
});

test("the samples that a history takes are limited, and old ones are dropped when it is full", () => {
  const history = new History({ seconds: 100, capacity: 64 });
  const times = Array.from({ length: 1000 }, (_, i) => i);
  history.catchUp(lists(times, times), 5000);
  assert.ok(history.length <= 64);
  assert.ok(history.time(0) >= 999 - 200, `from ${history.time(0)}`);
  assert.equal(history.time(history.length - 1), 999);
});

test("after a lost connection, missed samples replace the gap", () => {
  const history = new History();
  history.push(10, 1);
  history.push(11, 2);
  history.push(12, NaN);
  history.catchUp(lists([9, 10, 11, 13, 14], [0, 1, 2, 3, 4]), 20);
  assert.deepEqual(all(history), [[10, 1], [11, 2], [13, 3], [14, 4]]);
});

test("samples that the gateway no longer has remain a gap", () => {
  const history = new History();
  history.push(10, 1);
  history.push(12, NaN);
  history.catchUp(lists([15, 16], [5, 6]), 20);
  assert.deepEqual(all(history), [[10, 1], [12, NaN], [15, 5], [16, 6]]);
});
