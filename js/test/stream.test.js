import assert from "node:assert/strict";
import { test } from "node:test";
import { clientFor, gatewayFor, once, pause, until } from "../support/harness.js";

test("for await gives the current value, then each new one", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const pv = clientFor(t, gateway.url).pv("X");
  const values = [];
  for await (const update of pv) {
    values.push(update.value);
    if (update.value === 3) break;
    gateway.post("X", update.value + 1);
  }
  assert.deepEqual(values, [1, 2, 3]);
});

test("a slow reader gets the newest values, of which at most the buffer's size are kept", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 0);
  const pv = clientFor(t, gateway.url).pv("X");
  const [one, three] = [pv.updates(), pv.updates({ buffer: 3 })];
  await once(pv, "value");
  for (let i = 1; i <= 100; i += 1) gateway.post("X", i);
  await until(() => pv.last.value === 100);
  assert.equal((await one.next()).value.value, 100);
  assert.deepEqual([await three.next(), await three.next(), await three.next()].map((each) => each.value.value), [98, 99, 100]);
  assert.throws(() => pv.updates({ buffer: 0 }), RangeError);
});

test("a stream of a second handle does not see the current value twice", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const gw = clientFor(t, gateway.url);
  await once(gw.pv("X"), "value");
  const reader = gw.pv("X").updates({ buffer: 10 });
  await pause(5);
  gateway.post("X", 2);
  assert.deepEqual([(await reader.next()).value.value, (await reader.next()).value.value], [1, 2]);
});

test("iteration ends when the handle is closed, and raises its errors", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1).add("secret", 1, { error: "forbidden" });
  const gw = clientFor(t, gateway.url);
  const pv = gw.pv("X");
  const values = [];
  const reading = (async () => {
    for await (const update of pv) values.push(update.value);
  })();
  await until(() => values.length === 1);
  pv.close();
  await reading;
  assert.deepEqual(await pv.updates().next(), { value: undefined, done: true });
  await assert.rejects(gw.pv("secret").updates().next(), { code: "forbidden" });
});
