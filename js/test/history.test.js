import assert from "node:assert/strict";
import { test } from "node:test";
import { clientFor, collect, gatewayFor, once, until } from "../support/harness.js";

const connects = (gateway) => gateway.requests.filter((request) => request.action === "connect");
const PAST = { timestamps: [1, 2, 3.5], values: [10, null, 30], severities: [0, 3, 1] };

test("history is delivered before the first value, to handles that requested it", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 4.5, { past: PAST });
  const gw = clientFor(t, gateway.url);
  const [handle, other] = [gw.pv("X", { history: 60, points: 400 }), gw.pv("X")];
  const order = [];
  handle.on("history", (history) => order.push(history));
  handle.on("value", ({ value }) => order.push(value));
  const none = collect(other, "history");
  await until(() => order.length === 2);
  assert.deepEqual(order, [{ pvname: "X", timestamps: Float64Array.of(1, 2, 3.5), values: Float64Array.of(10, NaN, 30), severities: Uint8Array.of(0, 3, 1) }, 4.5]);
  assert.equal(none.length, 0);
  assert.deepEqual(connects(gateway), [{ action: "connect", pv: "X", history: 60, points: 400 }]);
});

test("history is requested once, again for more of it, and after a reconnect", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 4.5, { past: PAST });
  const gw = clientFor(t, gateway.url);
  const pv = gw.pv("X", { history: 60 });
  const came = collect(pv, "history");
  await once(pv, "value");
  pv.setOptions({ maxRate: 5 });
  await until(() => connects(gateway).length === 2);
  assert.deepEqual(connects(gateway)[1], { action: "connect", pv: "X", max_rate: 5 });
  gw.pv("X", { history: 600, maxRate: 5 });
  await until(() => came.length === 2);
  assert.equal(connects(gateway)[2].history, 600);
  gateway.drop();
  await until(() => came.length === 3);
  assert.equal(connects(gateway).at(-1).history, 600);
});

test("a request reads any part of a history", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 4.5, { past: PAST });
  const pv = clientFor(t, gateway.url).pv("X");
  const { values } = await pv.history({ from: 1, to: 4, points: 100 });
  assert.deepEqual(values, Float64Array.of(10, NaN, 30));
  const { id: _id, ...request } = gateway.requests.find(({ action }) => action === "history");
  assert.deepEqual(request, { action: "history", pv: "X", from: 1, to: 4, points: 100 });
});

test("invalid options are refused immediately", async (t) => {
  const gateway = await gatewayFor(t);
  const gw = clientFor(t, gateway.url);
  for (const options of [{ history: -1 }, { history: 1e6 }, { history: "x" }, { history: 5, points: 3 }]) assert.throws(() => gw.pv("X", options), RangeError);
});
