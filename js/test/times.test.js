import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../pycawamp/web/static/plot/history.js";
import { stripTrace, timeAxis } from "../../pycawamp/web/static/plot/series.js";

const DAY = 86400;
const now = Date.UTC(2026, 10, 26, 10, 50) / 1000;

/** The labels of an axis, in a time zone an hour ahead of UTC. */
function labels(t, from, to, utc = false) {
  const before = process.env.TZ;
  process.env.TZ = "Europe/Berlin";
  t.after(() => (before === undefined ? delete process.env.TZ : (process.env.TZ = before)));
  const axis = timeAxis(() => now, () => utc);
  return axis.xTicks([from, to], 6).map(({ label }) => label);
}

test("an axis of today has times only, with the digits that distinguish its ticks", (t) => {
  assert.deepEqual(labels(t, now - 60, now).slice(0, 2), ["11:49:00", "11:49:10"]);
  assert.deepEqual(labels(t, now - 0.1, now).slice(-2), ["11:49:59.98", "11:50:00.00"]);
  assert.equal(labels(t, now - 60, now, true)[0], "10:49:00");
});

test("an axis of another day has the date", (t) => {
  assert.deepEqual(labels(t, now - DAY - 60, now - DAY).slice(0, 2), ["11-25 11:49:00", "11:49:10"]);
  assert.equal(labels(t, now - 400 * DAY, now - 400 * DAY + 30)[0], "2025-10-22 12:50:00");
});

test("an axis across midnight has the dates", (t) => {
  const midnight = Date.UTC(2026, 10, 25, 23) / 1000;
  assert.deepEqual(labels(t, midnight - 7200, midnight + 7200), ["11-25 22:00:00", "23:00:00", "11-26 00:00:00", "01:00:00", "02:00:00"]);
});

test("an axis of days and years has ticks at midnight, as many as fit", (t) => {
  assert.deepEqual(labels(t, now - 10 * DAY, now).slice(0, 2), ["2026-11-17", "2026-11-19"]);
  assert.ok(labels(t, now - 3650 * DAY, now).length <= 6);
});

test("the readout has the date if it is not today", () => {
  const history = new History({ seconds: 2 * DAY });
  history.push(now - DAY, 1);
  history.push(now - 1, 2);
  const trace = stripTrace({ samples: () => history, now: () => now, utc: () => true, metadata: () => null, text: String });
  const read = (time) => trace.read(time, [now - 2 * DAY, now]).text;
  assert.equal(read(now - 100), "1  at 2026-11-25 10:50:00.000");
  assert.equal(read(now), "2  at 10:49:59.000");
});
