import assert from "node:assert/strict";
import { test } from "node:test";
import { clientFor, collect, gatewayFor, once, pause, until } from "../support/harness.js";

const connects = (gateway) => gateway.requests.filter((request) => request.action === "connect");

test("a value arrives with its time stamp and units", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 4.5, { meta: { units: "mA" } });
  const pv = clientFor(t, gateway.url).pv("X");
  assert.equal(pv.state, "searching");
  const update = await once(pv, "value");
  assert.deepEqual(update, { pvname: "X", value: 4.5, count: 1, timestamp: 1700000000.25, units: "mA" });
  assert.equal(pv.state, "connected");
  assert.equal(pv.last, update);
});

test("options are sent, except defaults", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1).add("Y", 2);
  const gw = clientFor(t, gateway.url, { batch: false });
  gw.pv("X");
  gw.pv("Y", { metadata: true, text: true, maxRate: 10, arrays: "binary" });
  gw.pv("Z", { maxRate: 1e6 });
  await until(() => connects(gateway).length === 3);
  assert.deepEqual(gateway.requests, [
    { action: "connect", pv: "X" },
    { action: "connect", pv: "Y", metadata: true, text: true, max_rate: 10, arrays: "binary" },
    { action: "connect", pv: "Z", max_rate: 1000 },
  ]);
});

test("metadata, severity and text are sent on request", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1, { severity: "MINOR", status: "HIGH", text: () => "one", meta: { precision: 2 } });
  const pv = clientFor(t, gateway.url).pv("X", { metadata: true, text: true });
  const [metadata, update] = await Promise.all([once(pv, "metadata"), once(pv, "value")]);
  assert.equal(metadata.precision, 2);
  assert.equal(metadata.write_access, true);
  assert.equal("msg_type" in metadata, false);
  assert.deepEqual([update.severity, update.status, update.text], ["MINOR", "HIGH", "one"]);
  assert.equal(pv.metadata, metadata);
});

test("handles of one name share a subscription; the last to close ends it", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const gw = clientFor(t, gateway.url);
  const [one, two] = [gw.pv("X"), gw.pv("X")];
  const [ones, twos] = [collect(one, "value"), collect(two, "value")];
  await until(() => ones.length === 1 && twos.length === 1);
  assert.equal(connects(gateway).length, 1);
  one.close();
  gateway.post("X", 2);
  await until(() => twos.length === 2);
  assert.equal(ones.length, 1);
  two.close();
  await until(() => gateway.subscribers("X") === 0);
  assert.deepEqual(gateway.requests.at(-1), { action: "disconnect", pv: "X" });
});

test("a handle that joins a subscription gets its current state", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 7);
  const gw = clientFor(t, gateway.url);
  await once(gw.pv("X"), "value");
  const late = gw.pv("X");
  const [connection, update] = await Promise.all([once(late, "connection"), once(late, "value")]);
  assert.deepEqual(connection, { pvname: "X", state: "connected", connected: true });
  assert.equal(update.value, 7);
  assert.equal(connects(gateway).length, 1);
});

test("options of handles are merged, and again when a handle is closed", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const gw = clientFor(t, gateway.url);
  gw.pv("X", { maxRate: 1 });
  const strong = gw.pv("X", { maxRate: 20, metadata: true, arrays: "base64" });
  const late = () => connects(gateway).at(-1);
  await until(() => connects(gateway).length === 1);
  assert.deepEqual(late(), { action: "connect", pv: "X", metadata: true, max_rate: 20, arrays: "base64" });
  const strongest = gw.pv("X", { text: true, arrays: "binary" });
  await until(() => connects(gateway).length === 2);
  assert.deepEqual(late(), { action: "connect", pv: "X", metadata: true, text: true, arrays: "binary" });
  strong.close();
  strongest.close();
  await until(() => connects(gateway).length === 3);
  assert.deepEqual(late(), { action: "connect", pv: "X", max_rate: 1 });
});

test("each handle gets its own rate, and finally the newest value", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 0);
  const gw = clientFor(t, gateway.url);
  const slow = collect(gw.pv("X", { maxRate: 10 }), "value");
  const fast = collect(gw.pv("X"), "value");
  await until(() => fast.length === 1);
  for (let i = 1; i <= 50; i += 1) gateway.post("X", i);
  await until(() => slow.at(-1)?.value === 50);
  assert.equal(fast.length, 51);
  assert.ok(slow.length <= 4, `${slow.length} updates`);
});

test("setOptions changes the request of a live handle", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const pv = clientFor(t, gateway.url).pv("X", { metadata: true, maxRate: 1 });
  await once(pv, "value");
  pv.setOptions({ maxRate: 5 });
  await until(() => connects(gateway).length === 2);
  assert.deepEqual(connects(gateway).at(-1), { action: "connect", pv: "X", metadata: true, max_rate: 5 });
  assert.throws(() => pv.setOptions({ maxRate: 0 }), RangeError);
  assert.throws(() => pv.setOptions({ arrays: "xml" }), RangeError);
});

test("a PV that is opened and closed within a task is not requested", async (t) => {
  const gateway = await gatewayFor(t);
  const gw = clientFor(t, gateway.url, { batch: false });
  await once(gw, "open");
  gw.pv("X").close();
  gw.pv("Y").close();
  gw.pv("Y");
  await until(() => gateway.requests.length > 0);
  await pause(10);
  assert.deepEqual(gateway.requests, [{ action: "connect", pv: "Y" }]);
});

test("many PVs are sent in lists of at most 16 KB, one list per set of options", async (t) => {
  const gateway = await gatewayFor(t);
  const gw = clientFor(t, gateway.url, { batch: false });
  const names = Array.from({ length: 2000 }, (_, i) => `IOC:SECTION-${i}:Größe`);
  for (const name of names) gw.pv(name);
  for (const name of names.slice(0, 10)) gw.pv(`fast:${name}`, { maxRate: 50 });
  await until(() => gateway.requests.flatMap((request) => request.pvs).length === 2010);
  const sizes = gateway.requests.map((request) => Buffer.byteLength(JSON.stringify(request)));
  assert.ok(Math.max(...sizes) <= 16384, `${Math.max(...sizes)} bytes`);
  assert.ok(sizes.length <= 6, `${sizes.length} requests`);
  assert.deepEqual(gateway.requests.filter((request) => !request.max_rate).flatMap((request) => request.pvs), names);
  assert.equal(gateway.requests.find((request) => request.max_rate === 50).pvs.length, 10);
});

test("every handle gets connection changes once", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const pv = clientFor(t, gateway.url).pv("X");
  const states = [];
  pv.on("connection", ({ state, connected }) => states.push([state, connected]));
  await once(pv, "value");
  gateway.setConnected("X", false);
  gateway.setConnected("X", false);
  gateway.setConnected("X", true);
  await until(() => states.length === 3);
  assert.deepEqual(states, [["connected", true], ["disconnected", false], ["connected", true]]);
});

test("an error with a PV is emitted by its handles, others by the client", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("secret", 1, { error: "forbidden" });
  const gw = clientFor(t, gateway.url);
  const error = await once(gw.pv("secret"), "error");
  assert.deepEqual([error.name, error.code, error.pvname, error.action], ["PVError", "forbidden", "secret", "connect"]);
  const general = once(gw, "error");
  gateway.send({ msg_type: "error", code: "rate_limited", message: "slow down" });
  assert.equal((await general).code, "rate_limited");
});

test("a new handle of a refused PV requests it again, since it may be allowed now", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("secret", 1, { error: "forbidden" });
  const gw = clientFor(t, gateway.url);
  const first = gw.pv("secret");
  await once(first, "error");
  assert.equal((await once(gw.pv("secret"), "error")).code, "forbidden");
  gateway.add("secret", 2);
  const [old, young] = await Promise.all([once(first, "value"), once(gw.pv("secret"), "value")]);
  assert.deepEqual([old.value, young.value], [2, 2]);
  assert.equal(connects(gateway).length, 3);
});

test("values from before a lost connection are not live after it", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const pv = clientFor(t, gateway.url, { batch: false }).pv("X", { metadata: true });
  await once(pv, "value");
  gateway.setConnected("X", false);
  await once(pv, "connection");
  assert.equal(pv.last.value, 1);
  gateway.records.get("X").value = 50;
  const values = [];
  pv.on("connection", () => values.push(pv.last));
  gateway.setConnected("X", true);
  assert.equal((await once(pv, "value")).value, 50);
  assert.deepEqual(values, [null]);
});

test("a PV that is closed and immediately opened again keeps its state, without a request", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const gw = clientFor(t, gateway.url);
  const old = gw.pv("X");
  await once(old, "value");
  old.close();
  const pv = gw.pv("X");
  assert.equal(pv.state, "connected");
  assert.equal((await once(pv, "value")).value, 1);
  gateway.post("X", 2);
  assert.equal((await once(pv, "value")).value, 2);
  assert.equal(gateway.requests.filter(({ pv: name }) => name === "X").length, 1);
});

test("closing one of the handles of a refused PV sends nothing; errors of other requests are emitted by the client", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("secret", 1, { error: "forbidden" });
  const gw = clientFor(t, gateway.url);
  const [one, two] = [gw.pv("secret"), gw.pv("secret")];
  await once(one, "error");
  two.close();
  const errors = collect(one, "error");
  const general = once(gw, "error");
  gateway.send({ msg_type: "error", code: "rate_limited", message: "slow down", action: "disconnect", pvname: "secret" });
  assert.equal((await general).code, "rate_limited");
  assert.equal(connects(gateway).length, 1);
  assert.deepEqual(errors, []);
});

test("unsubscribed listeners are not called; a listener that throws does not affect others", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  t.mock.method(console, "error", () => {});
  const pv = clientFor(t, gateway.url).pv("X");
  const gone = collect(pv, "value");
  pv.on("value", () => gone.push("never"))();
  pv.on("value", () => {
    throw new Error("a page's mistake");
  });
  const values = collect(pv, "value");
  await until(() => values.length === 1);
  assert.equal(gone.length, 1);
  assert.equal(console.error.mock.callCount(), 1);
  assert.throws(() => pv.on("valu", () => {}), TypeError);
});

test("NaN is kept, in scalars and arrays", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", NaN).add("W", [1, null, 3]);
  const gw = clientFor(t, gateway.url);
  const [x, w] = await Promise.all([once(gw.pv("X"), "value"), once(gw.pv("W"), "value")]);
  assert.ok(Number.isNaN(x.value));
  assert.deepEqual(w.value, [1, NaN, 3]);
});
