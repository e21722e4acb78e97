import assert from "node:assert/strict";
import { test } from "node:test";
import { offsetFrom } from "../../pycawamp/web/static/console/gatewayclock.js";
import { Stamps } from "../../pycawamp/web/static/plot/stamps.js";

const NOW = 1.7e9;

/** Places samples of (stamp, arrival) after NOW; the places after NOW, and the notes. */
function placed(samples) {
  const stamps = new Stamps();
  let last = -Infinity;
  return samples.map(([stamp, arrival], i) => {
    last = stamps.place(NOW + stamp, NOW + arrival, last, i === 0);
    return [last - NOW, stamps.note];
  });
}

test("delayed updates are drawn at their time stamps, with a note", () => {
  // Delayed by 60 s, delivered within 3 s.
  const backlog = Array.from({ length: 60 }, (_, i) => [i + 1, 60 + i / 20]);
  const places = placed([[0, 0], ...backlog, [64, 64]]);
  assert.deepEqual(places.map(([at]) => at), [0, ...backlog.map(([stamp]) => stamp), 64]);
  assert.match(places[1][1], /^Updates arrive 59 s late/);
  assert.equal(places.at(-1)[1], "");
});

test("a clock that is an hour behind is detected, and values are drawn when they arrive", () => {
  const samples = Array.from({ length: 30 }, (_, i) => [i - 3600, i]);
  const places = placed(samples);
  assert.deepEqual(places.slice(12).map(([at]) => at), samples.slice(12).map(([, arrival]) => arrival));
  assert.equal(places.at(-1)[1], "The IOC's time is 1 h 0 min behind: values are drawn when they arrive.");
});

test("a clock that is ahead, or was set back, is not used either", () => {
  assert.deepEqual(placed([[0, 0], [300, 1]])[1], [1, "The IOC's time is 4 min 59 s ahead: values are drawn when they arrive."]);
  assert.deepEqual(placed([[0, 0], [1, 1], [-5, 2], [3, 3]]).map(([at]) => at), [0, 1, 2, 3]);
});

test("a value that is hours old is drawn at its time stamp, without a note", () => {
  assert.deepEqual(placed([[-7200, 0], [1, 1]]), [[-7200, ""], [1, ""]]);
});

test("the first value of a connection is drawn at its time stamp", () => {
  for (const stamp of [NOW - 50, NOW + 10]) assert.equal(new Stamps().place(stamp, NOW + 30, NOW, true), stamp);
});

test("a record that has never processed has no time stamp", () => {
  assert.match(placed([[631152000 - NOW, 5]])[0][1], /^The record has no time stamps/);
});

test("the offset of the computer's clock is computed from two Date headers", () => {
  const answers = (offset) => [0, 430].map((at) => ({ sent: at, received: at + 20, date: Math.floor((at + 10 + offset) / 1000) * 1000 }));
  for (const offset of [-86400250, -5000, 3333, 7200700]) {
    assert.ok(Math.abs(offsetFrom(answers(offset)) - offset) <= 510, `${offset}: ${offsetFrom(answers(offset))}`);
  }
  for (const offset of [-400, 0, 400]) assert.equal(offsetFrom(answers(offset)), 0);
  assert.equal(offsetFrom([{ sent: 0, received: 1, date: NaN }]), 0);
  assert.equal(offsetFrom([{ sent: 0, received: 4000, date: 0 }]), 0, "a slow answer proves nothing");
});
