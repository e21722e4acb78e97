import assert from "node:assert/strict";
import { test } from "node:test";
import { PVClient } from "../../pycawamp/web/static/pycaserver.js";
import { Clock, clientFor, gatewayFor, once, socketClass } from "../support/harness.js";

test("get reads once, with the handle's options except its rate", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 5, { text: () => "five" });
  const pv = clientFor(t, gateway.url).pv("X", { text: true, maxRate: 1 });
  assert.equal((await pv.get()).text, "five");
  const { id, ...request } = gateway.requests.find((each) => each.action === "get");
  assert.equal(typeof id, "number");
  assert.deepEqual(request, { action: "get", pv: "X", text: true });
});

test("put resolves when done, and sends wait and timeout", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 5);
  const pv = clientFor(t, gateway.url).pv("X");
  assert.equal(await pv.put(6), undefined);
  await pv.put("7", { wait: false, timeout: 3 });
  await pv.put(Float64Array.of(1, 2));
  const puts = gateway.requests.filter((each) => each.action === "put").map(({ id: _id, ...request }) => request);
  assert.deepEqual(puts, [
    { action: "put", pv: "X", value: 6, wait: true, timeout: 10 },
    { action: "put", pv: "X", value: "7", wait: false, timeout: 3 },
    { action: "put", pv: "X", value: [1, 2], wait: true, timeout: 10 },
  ]);
});

test("put writes all digits of 64-bit integers", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 5);
  const pv = clientFor(t, gateway.url).pv("X");
  for (const value of [
    2n ** 53n + 1n, BigInt64Array.of(-(2n ** 63n), 1n), BigUint64Array.of(2n ** 64n - 1n), [2n ** 64n - 1n, 5],
    { a: { b: 2n ** 60n + 1n }, c: Uint8Array.of(1, 2), d: undefined, e: null, f: 'q"' }, 0.1, Float32Array.of(0.5, NaN), "9007199254740993",
  ]) await pv.put(value);
  const puts = gateway.texts.filter((text) => text.startsWith('{"action":"put"'));
  assert.deepEqual(puts.map((text) => /"value":(.*),"wait"/.exec(text)[1]), [
    "9007199254740993", "[-9223372036854775808,1]", "[18446744073709551615]", "[18446744073709551615,5]",
    '{"a":{"b":1152921504606846977},"c":[1,2],"e":null,"f":"q\\""}', "0.1", "[0.5,null]", '"9007199254740993"',
  ]);
});

for (const code of ["forbidden", "bad_value", "put_failed", "timeout", "rate_limited"]) {
  test(`put rejects with ${code}`, async (t) => {
    const gateway = await gatewayFor(t);
    gateway.add("X", 5, { put: () => code });
    const pv = clientFor(t, gateway.url).pv("X");
    const errors = [];
    pv.on("error", (error) => errors.push(error));
    await assert.rejects(pv.put(6), { name: "PVError", code, pvname: "X", action: "put", message: `refused: ${code}` });
    assert.deepEqual(errors, []);
  });
}

test("get and info of a disconnected PV reject with not_connected", async (t) => {
  const gateway = await gatewayFor(t);
  const pv = clientFor(t, gateway.url).pv("nowhere");
  await assert.rejects(pv.get(), { code: "not_connected" });
  await assert.rejects(pv.info(), { code: "not_connected" });
});

test("info, list and ping", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 5, { type: "enum", meta: { enum_strs: ["off", "on"] } });
  const gw = clientFor(t, gateway.url);
  const pv = gw.pv("X");
  const info = await pv.info();
  assert.deepEqual([info.type, info.enum_strs, "id" in info], ["enum", ["off", "on"], false]);
  assert.deepEqual(await gw.list(), ["X"]);
  assert.ok((await gw.ping()) >= 0);
});

test("simultaneous requests get their own replies", async (t) => {
  const gateway = await gatewayFor(t);
  const gw = clientFor(t, gateway.url);
  const names = Array.from({ length: 50 }, (_, i) => `X${i}`);
  names.forEach((name, i) => gateway.add(name, i));
  const updates = await Promise.all(names.map((name) => gw.pv(name).get()));
  assert.deepEqual(updates.map((update) => update.value), names.map((_, i) => i));
});

test("a request has a timeout if the gateway does not answer", async (t) => {
  const clock = new Clock();
  const WebSocket = socketClass();
  const gw = new PVClient("ws://gateway/monitor", { ...clock.options, WebSocket, heartbeat: 0 });
  t.after(() => gw.close());
  WebSocket.last.open();
  const pv = gw.pv("X");
  const put = pv.put(1, { timeout: 3 });
  await Promise.resolve();
  const { id } = WebSocket.last.sent.find((request) => request.action === "put");
  clock.advance(5000);
  await assert.rejects(put, { code: "timeout" });
  let rejected = null;
  pv.on("error", (error) => {
    rejected = error;
  });
  WebSocket.last.receive({ msg_type: "error", code: "put_failed", pvname: "X", id });
  assert.equal(rejected, null);
});

test("a closed handle accepts no requests; other handles of the PV are not affected", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 5);
  const gw = clientFor(t, gateway.url);
  const [one, two] = [gw.pv("X"), gw.pv("X")];
  await once(one, "value");
  one.close();
  await assert.rejects(one.put(1), { code: "closed", pvname: "X" });
  assert.equal((await two.get()).value, 5);
});

test("names and URLs are checked immediately", () => {
  assert.throws(() => new PVClient(), TypeError);
  const gw = new PVClient(new URL("ws://gateway/monitor"), { WebSocket: socketClass() });
  assert.equal(gw.url, "ws://gateway/monitor");
  assert.throws(() => gw.pv(""), TypeError);
  assert.throws(() => gw.pv(7), TypeError);
  gw.close();
});

test("the default URL is derived from the page's address", async () => {
  const { defaultUrl } = await import("../../pycawamp/web/static/client/environment.js");
  assert.equal(defaultUrl({ protocol: "http:", host: "localhost:8888" }), "ws://localhost:8888/monitor");
  assert.equal(defaultUrl({ protocol: "https:", host: "pvs.example.org" }), "wss://pvs.example.org/monitor");
});
