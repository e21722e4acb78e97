import assert from "node:assert/strict";
import { test } from "node:test";
import { Watch } from "../../pycawamp/web/static/console/watch.js";
import { clientFor, socketClass, until } from "../support/harness.js";

const NOW = 1.7e9;

/** A row of the table; times are in seconds after NOW. */
function page(t, { archived = false } = {}) {
  const WebSocket = socketClass();
  const gateway = clientFor(t, "ws://gateway/monitor", { WebSocket });
  const clock = { second: 0 };
  const on = { changed: () => {}, counted: () => {}, now: () => NOW + clock.second, archived: () => archived };
  const watch = () => {
    const made = new Watch(gateway, "X", 10, on);
    t.after(() => made.close());
    return made;
  };
  const row = watch();
  WebSocket.last.open();
  const send = (message) => WebSocket.last.receive({ pvname: "X", ...message });
  const lists = (past) => ({ timestamps: past.map(([at]) => NOW + at), values: past.map(([, value]) => value), severities: past.map(() => 0) });
  const at = (second) => (clock.second = second);
  const connect = (conn = true) => send({ msg_type: "connection", conn });
  return {
    row,
    watch,
    at,
    connect,
    /** Disconnects the PV for a time. */
    lose: (from, to) => {
      at(from);
      connect(false);
      at(to);
      connect();
    },
    history: (...past) => send({ msg_type: "history", ...lists(past) }),
    update: (second, value = second) => send({ msg_type: "monitor", value, timestamp: NOW + second }),
    requests: () => WebSocket.last.sent.filter(({ action }) => action === "history"),
    answer: (id, ...past) => send({ msg_type: "history", id, ...lists(past) }),
  };
}

/** Times and values; a gap is null. */
function samples(timeline) {
  return Array.from({ length: timeline.length }, (_, i) => [Math.round((timeline.time(i) - NOW) * 1000) / 1000, Number.isNaN(timeline.value(i)) ? null : timeline.value(i)]);
}

test("a value that is the same after a lost connection is drawn from the end of the gap", (t) => {
  const { row, at, connect, lose, update } = page(t);
  connect();
  update(1);
  lose(10, 20);
  at(25);
  update(1);
  assert.deepEqual(samples(row.history), [[1, 1], [10, null], [20, null], [20, 1]]);
});

test("a value from the time of a lost connection ends the gap at its time", (t) => {
  const { row, connect, lose, update } = page(t);
  connect();
  update(1);
  lose(10, 20);
  update(15, 7);
  assert.deepEqual(samples(row.history), [[1, 1], [10, null], [15, 7]]);
});

test("a value after a gap is kept when the gateway sends what a page has missed", (t) => {
  const { row, connect, lose, history, update } = page(t);
  connect();
  update(1);
  lose(10, 20);
  update(1);
  lose(30, 40);
  history([1, 1], [10, null], [20, null], [1, 1], [35, 7]);
  update(39, 8);
  assert.deepEqual(samples(row.history), [[1, 1], [10, null], [20, null], [20, 1], [35, 7], [39, 8]]);
});

test("a page that is opened later shows the gateway's gap", (t) => {
  const { row, at, connect, history, update } = page(t);
  at(100);
  connect();
  history([1, 1], [10, null], [20, null]);
  update(1);
  assert.deepEqual(samples(row.history), [[1, 1], [10, null], [20, null], [20, 1]]);
});

test("a chart that continues a row's history has the value at its time", (t) => {
  const { row, watch, at, connect, update } = page(t);
  connect();
  update(1);
  at(50);
  const chart = watch();
  chart.follow(row);
  connect();
  update(1);
  assert.ok(samples(chart.history).every(([second]) => second === 1), `${samples(chart.history)}`);
});

test("a value from before the record processed is not drawn as if it had been there for years", (t) => {
  const { row, at, connect, history, update } = page(t);
  at(3);
  connect();
  history([631152000 - NOW, 5], [1, 1]);
  update(2);
  assert.deepEqual(samples(row.history), [[1, 1], [2, 2]]);
});

test("samples that a page no longer keeps are requested", async (t) => {
  const { row, at, connect, update, requests, answer } = page(t, { archived: true });
  connect();
  for (let i = 0; i < 9000; i += 1) {
    at(i / 10);
    update(i / 10);
  }
  const [first] = samples(row.history)[0];
  assert.ok(first > 10, `nothing was dropped: ${first}`);
  const range = [NOW, NOW + 900];
  row.samples(range);
  await until(() => requests().length === 1);
  const [{ id, from, to }] = requests();
  assert.ok(from <= NOW && to > NOW + first && to <= NOW + 900, `${from - NOW} to ${to - NOW}`);
  answer(id, ...Array.from({ length: 900 }, (_, i) => [i, -1]));
  await until(() => row.samples(range).time(0) === NOW);
  const all = samples(row.samples(range));
  const seam = all.findIndex(([, value]) => value >= 0);
  assert.equal(all[seam][0], first);
  assert.ok(all[seam - 1][0] >= first - 1, `a hole from ${all[seam - 1][0]} to ${first}`);
});
