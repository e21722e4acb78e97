import assert from "node:assert/strict";
import { test } from "node:test";
import { PVClient } from "../../pycawamp/web/static/pycaserver.js";
import { Clock, clientFor, collect, gatewayFor, once, socketClass, until } from "../support/harness.js";

const quick = { backoff: { base: 20, cap: 40 } };

/** A client with the test's clock, random numbers and socket. */
function puppet(t, options = {}, lateness = 0) {
  const clock = new Clock();
  const setTimeout = (action, delay) => clock.options.setTimeout(action, Math.max(delay, lateness));
  const WebSocket = socketClass();
  const gw = new PVClient("ws://gateway/monitor", { ...clock.options, setTimeout, WebSocket, random: () => 1, batch: false, heartbeat: 0, ...options });
  t.after(() => gw.close());
  return { gw, clock, WebSocket };
}

test("after a lost connection, all PVs are subscribed again, grouped by options", async (t) => {
  const gateway = await gatewayFor(t);
  for (const name of ["a", "b", "c"]) gateway.add(name, 1);
  const gw = clientFor(t, gateway.url, { ...quick, batch: false });
  const [a] = [gw.pv("a", { maxRate: 5 }), gw.pv("b", { maxRate: 5 }), gw.pv("c")];
  const states = [];
  a.on("connection", (event) => states.push(event.state));
  await until(() => a.connected);
  gateway.requests.length = 0;
  gateway.drop();
  const [lost, back] = [await once(gw, "close"), await once(gw, "open")];
  assert.ok(Math.abs(lost.staleSince - Date.now()) < 2000);
  assert.deepEqual(back, { reconnected: true });
  await until(() => a.connected);
  assert.deepEqual(states, ["connected", "unreachable", "searching", "connected"]);
  assert.deepEqual(gateway.requests, [
    { action: "connect", pvs: ["a", "b"], max_rate: 5 },
    { action: "connect", pv: "c" },
  ]);
});

test("PVs that were closed while disconnected are not subscribed again", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("a", 1).add("b", 1);
  const gw = clientFor(t, gateway.url, { ...quick, batch: false });
  const [a, b] = [gw.pv("a"), gw.pv("b")];
  await until(() => a.connected && b.connected);
  gateway.requests.length = 0;
  gateway.drop();
  await once(gw, "close");
  a.close();
  gw.pv("d");
  await until(() => b.connected);
  assert.deepEqual(gateway.requests, [{ action: "connect", pvs: ["b", "d"] }]);
});

test("pending requests are rejected when the connection is lost, new ones immediately", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1, { put: () => null });
  const gw = clientFor(t, gateway.url, { backoff: { base: 5000 }, random: () => 1 });
  const pv = gw.pv("X");
  await once(pv, "value");
  const put = pv.put(2);
  await until(() => gateway.requests.some((request) => request.action === "put"));
  gateway.drop();
  await assert.rejects(put, { code: "unreachable", pvname: "X", action: "put" });
  await assert.rejects(pv.get(), { code: "unreachable" });
  assert.equal(gw.state, "waiting");
  assert.equal(pv.state, "unreachable");
  assert.equal(gw.pv("Y").state, "unreachable");
});

test("delays double up to a maximum, with full jitter, and are reported", (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  const waits = collect(gw, "reconnecting");
  for (let i = 0; i < 7; i += 1) {
    WebSocket.last.fail();
    clock.advance(waits.at(-1).seconds * 1000);
  }
  assert.deepEqual(waits.map((wait) => wait.seconds), [1, 2, 4, 8, 16, 30, 30]);
  assert.deepEqual(waits.map((wait) => wait.attempt), [1, 2, 3, 4, 5, 6, 7]);
  assert.equal(WebSocket.all.length, 8);
});

test("jitter spreads the delay over the whole interval", (t) => {
  const { gw, WebSocket } = puppet(t, { random: () => 0.25 });
  const waits = collect(gw, "reconnecting");
  WebSocket.last.fail();
  assert.equal(waits[0].seconds, 0.25);
  assert.equal(gw.nextAttempt, waits[0].at);
});

test("only a connection of some duration resets the delay", (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  const waits = collect(gw, "reconnecting");
  WebSocket.last.fail();
  clock.advance(1000);
  WebSocket.last.open();
  WebSocket.last.fail();
  clock.advance(2000);
  WebSocket.last.open();
  clock.advance(5000);
  WebSocket.last.fail();
  assert.deepEqual(waits.map((wait) => wait.seconds), [1, 2, 1]);
  assert.equal(gw.staleSince, waits[2].staleSince);
  assert.equal(waits[0].staleSince, null);
});

test("when a gateway stops, only the first delay is shorter", (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  const waits = collect(gw, "reconnecting");
  WebSocket.last.open();
  WebSocket.last.fail(1001);
  clock.advance(300);
  WebSocket.last.open();
  WebSocket.last.fail(1001);
  clock.advance(2000);
  WebSocket.last.fail();
  assert.deepEqual(waits.map((wait) => wait.seconds), [0.3, 2, 4]);
});

test("reconnect() does not wait", (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  WebSocket.last.fail();
  gw.reconnect();
  gw.reconnect();
  assert.equal(WebSocket.all.length, 2);
  WebSocket.last.open();
  assert.equal(gw.state, "open");
  clock.advance(60000);
  assert.equal(WebSocket.all.length, 2);
});

test("an attempt has a timeout", (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  clock.advance(10000);
  assert.equal(WebSocket.all[0].readyState, 3);
  assert.equal(gw.state, "waiting");
});

test("after a silence, a ping is sent; without an answer, the connection is lost since the last frame", (t) => {
  const { gw, clock, WebSocket } = puppet(t, { heartbeat: 15 });
  const losses = collect(gw, "close");
  WebSocket.last.open();
  clock.advance(15000);
  assert.equal(WebSocket.last.sent.at(-1).action, "ping");
  WebSocket.last.receive({ msg_type: "pong", id: WebSocket.last.sent.at(-1).id });
  const received = clock.options.now();
  clock.advance(29999);
  assert.equal(losses.length, 0);
  clock.advance(1);
  assert.deepEqual(losses, [{ code: 1006, reason: "no answer", staleSince: received }]);
});

test("late timers, as in a page in the background, do not count as silence", (t) => {
  const { gw, clock, WebSocket } = puppet(t, { heartbeat: 15 }, 60000);
  const losses = collect(gw, "close");
  WebSocket.last.open();
  for (let i = 1; i <= 5; i += 1) {
    clock.advance(60000);
    assert.equal(WebSocket.last.sent.length, i);
    WebSocket.last.receive({ msg_type: "pong", id: WebSocket.last.sent.at(-1).id });
  }
  assert.equal(losses.length, 0);
  clock.advance(120000);
  assert.equal(losses.length, 1);
});

test("no ping is sent while messages arrive", (t) => {
  const { clock, WebSocket } = puppet(t, { heartbeat: 15 });
  WebSocket.last.open();
  for (let i = 0; i < 10; i += 1) {
    clock.advance(10000);
    WebSocket.last.receive({ msg_type: "connection", pvname: "X", conn: true });
  }
  assert.deepEqual(WebSocket.last.sent, []);
});

test("a request before the first connection waits for it", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 3);
  const gw = clientFor(t, gateway.url);
  assert.equal(gw.state, "connecting");
  assert.equal((await gw.pv("X").get()).value, 3);
});

test("a request without a connection is rejected by the timeout, and not sent later", async (t) => {
  const { gw, clock, WebSocket } = puppet(t);
  const put = gw.pv("X").put(1);
  WebSocket.last.fail();
  await assert.rejects(put, { code: "unreachable" });
  clock.advance(1000);
  WebSocket.last.open();
  await Promise.resolve();
  assert.deepEqual(WebSocket.last.sent, [{ action: "connect", pv: "X" }]);
});

test("close stops timers and the socket, closes handles, and rejects requests", async (t) => {
  const { gw, clock, WebSocket } = puppet(t, { heartbeat: 15 });
  WebSocket.last.open();
  const pv = gw.pv("X", { maxRate: 1 });
  gw.pv("X");
  const seen = collect(pv, "value");
  WebSocket.last.receive({ msg_type: "connection", pvname: "X", conn: true });
  WebSocket.last.receive({ msg_type: "monitor", pvname: "X", value: 1, count: 1, timestamp: 1 });
  WebSocket.last.receive({ msg_type: "monitor", pvname: "X", value: 2, count: 1, timestamp: 2 });
  const [get, reader] = [pv.get(), pv.updates()];
  await reader.next();
  const waiting = reader.next();
  gw.close();
  gw.close();
  await assert.rejects(get, { code: "closed" });
  assert.deepEqual(await waiting, { value: undefined, done: true });
  assert.equal(clock.pending, 0);
  assert.equal(WebSocket.all.length, 1);
  assert.equal(WebSocket.last.onmessage, null);
  assert.equal(pv.closed, true);
  assert.equal(seen.length, 1);
  await assert.rejects(pv.get(), { code: "closed" });
  assert.throws(() => gw.pv("Y"), { code: "closed" });
});

test("a client may be closed by any of its own listeners", (t) => {
  for (const event of ["close", "reconnecting"]) {
    const { gw, clock, WebSocket } = puppet(t);
    gw.on(event, () => gw.close());
    WebSocket.last.open();
    WebSocket.last.fail();
    assert.equal(gw.state, "closed");
    assert.equal(clock.pending, 0);
  }
});
