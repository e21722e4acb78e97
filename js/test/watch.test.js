import assert from "node:assert/strict";
import { test } from "node:test";
import { Watch } from "../../pycawamp/web/static/console/watch.js";
import { clientFor, socketClass } from "../support/harness.js";

/** Seconds since 1970, by the IOC's clock, which is right. */
const NOW = 1.7e9;

/** A row of the table and a page whose clock is wrong; `update(second)` sends the IOC's value of that second. */
function page(t, offset) {
  const WebSocket = socketClass();
  const gateway = clientFor(t, "ws://gateway/monitor", { WebSocket });
  const clock = { second: 0, offset };
  const on = { changed: () => {}, counted: () => {}, now: () => NOW + clock.second + clock.offset, archived: () => false };
  const watch = () => new Watch(gateway, "X", 10, on);
  const send = (message) => WebSocket.last.receive({ pvname: "X", ...message });
  const row = watch();
  WebSocket.last.open();
  return {
    row,
    watch,
    connect: (conn = true) => send({ msg_type: "connection", conn }),
    history: (...seconds) => {
      const timestamps = seconds.map((second) => NOW + second);
      send({ msg_type: "history", timestamps, values: seconds, severities: seconds.map(() => 0) });
    },
    update: (second) => {
      clock.second = second;
      send({ msg_type: "monitor", value: second, timestamp: NOW + second });
    },
    setClock: () => {
      clock.offset = 0;
    },
  };
}

const times = ({ history }) => Array.from({ length: history.length }, (_, i) => history.time(i) - NOW);

test("a chart that continues a row's history corrects its samples when the clock is corrected", (t) => {
  for (const offset of [-300, 3600]) {
    const { row, watch, connect, update, setClock } = page(t, offset);
    connect();
    for (let second = 1; second <= 30; second++) update(second);
    const chart = watch();
    chart.follow(row);
    for (let second = 31; second <= 33; second++) update(second);
    setClock();
    for (const each of [row, chart]) each.clockChanged();
    assert.deepEqual(times(chart), times(row), `the clock was wrong by ${offset} s`);
    assert.equal(times(chart).at(-1), 33);
  }
});

test("the last value, sent again after a connection, does not make its time plausible", (t) => {
  const { row, connect, update, setClock } = page(t, 3600);
  connect();
  for (let second = 1; second <= 30; second++) update(second);
  connect(false);
  connect();
  update(30);
  setClock();
  row.clockChanged();
  assert.ok(times(row).every((at) => at <= 33), `${times(row)}`);
});

test("a chart continues a history whose times were not plausible yet", (t) => {
  const { row, watch, connect, history, update, setClock } = page(t, -300);
  connect();
  history(-20, -10, -5);
  for (let second = 1; second <= 5; second++) update(second);
  const chart = watch();
  chart.follow(row);
  update(6);
  setClock();
  for (const each of [row, chart]) each.clockChanged();
  assert.deepEqual(times(chart), times(row));
  assert.deepEqual(times(row), [-20, -10, -5, 6]);
});
