// The gateway's reasons why a PV is not connected.
import assert from "node:assert/strict";
import { test } from "node:test";
import { factsOf } from "../../pycawamp/web/static/console/facts.js";
import { clientFor, collect, gatewayFor, once, until } from "../support/harness.js";

test("a handle has the reason while its PV is not connected, even if it is opened later", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 7);
  const gw = clientFor(t, gateway.url);
  const pv = gw.pv("X");
  const states = collect(pv, "connection");
  await once(pv, "value");
  assert.equal(gateway.requests[0].reason, true);
  assert.equal(pv.reason, null);
  gateway.send({ msg_type: "connection", pvname: "X", conn: false, reason: "the IOC was lost" });
  await until(() => pv.reason !== null);
  gateway.send({ msg_type: "connection", pvname: "X", conn: false, reason: "the rules say no" });
  const late = gw.pv("X");
  assert.equal((await once(late, "connection")).reason, "the IOC was lost");
  await until(() => pv.reason === "the rules say no");
  assert.equal(Object.fromEntries(factsOf({ pv, update: null, error: null }, 0)).Reason, "the rules say no");
  const gone = { name: "X", connected: false, reason: "the IOC a:5064 was lost at 2026-11-26T01:25:33+00:00" };
  assert.equal(Object.fromEntries(factsOf({ pv: gone, update: null, error: null }, 0, true)).Reason, "the IOC a:5064 was lost at 2026-11-26 01:25:33 UTC");
  gateway.send({ msg_type: "connection", pvname: "X", conn: true });
  await until(() => pv.connected);
  assert.equal(pv.reason, null);
  const lost = { pvname: "X", state: "disconnected", connected: false };
  assert.deepEqual(states, [
    { pvname: "X", state: "connected", connected: true },
    { ...lost, reason: "the IOC was lost" },
    { ...lost, reason: "the rules say no" },
    { pvname: "X", state: "connected", connected: true },
  ]);
});
