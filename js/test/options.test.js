import assert from "node:assert/strict";
import { test } from "node:test";
import { checked, onWire, strongest } from "../../pycawamp/web/static/client/options.js";
import { clientFor, collect, gatewayFor, once, until } from "../support/harness.js";

const connects = (gateway) => gateway.requests.filter((request) => request.action === "connect");

test("options for pvAccess are sent", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 1);
  const gw = clientFor(t, gateway.url);
  gw.pv("X", { alarmMessage: true, int64: "string", attributes: true, image: { jpeg: 85, max: 512 } });
  await until(() => connects(gateway).length === 1);
  assert.deepEqual(connects(gateway), [{ action: "connect", pv: "X", alarm_message: true, int64: "string", attributes: true, image: { jpeg: 85, max: 512 } }]);
});

test("the merged options of handles lose no information", () => {
  const together = (...list) => onWire(strongest(list.map(checked)));
  assert.deepEqual(together({ image: { jpeg: 50, max: 64 } }, { image: { jpeg: 90, max: 32 } }), { image: { jpeg: 90, max: 64 } });
  assert.deepEqual(together({ image: { jpeg: 50 } }, { image: { jpeg: 40, max: 32 } }), { image: { jpeg: 50 } });
  assert.deepEqual(together({ image: { jpeg: 50 } }, {}), {});
  assert.deepEqual(together({ attributes: true }, { alarmMessage: true }), { attributes: true, alarm_message: true });
  assert.deepEqual(together({ int64: "string" }), { int64: "string" });
  // The type is needed to convert digits to numbers.
  assert.deepEqual(together({ int64: "string" }, {}), { int64: "string", metadata: true });
});

test("the error about an invalid option names what was expected", () => {
  for (const [options, words] of [
    [{ int64: "hex" }, /int64 is one of number, string/], [{ image: { jpeg: 0 } }, /image.jpeg is a quality from 1 to 100/],
    [{ image: { max: 100 } }, /image.jpeg/], [{ image: { jpeg: 80, max: 1.5 } }, /image.max is a number of pixels from 16 to 10000/],
  ]) assert.throws(() => checked(options), words);
});

test("handles of one subscription get digits or numbers as requested", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("long", "9007199254740993", { meta: { type: "int64" } }).add("longs", ["1", "18446744073709551615"], { meta: { type: "uint64" } });
  gateway.add("text", "5", { meta: { type: "string" } });
  const gw = clientFor(t, gateway.url);
  for (const [name, digits, number] of [["long", "9007199254740993", 2 ** 53], ["longs", ["1", "18446744073709551615"], [1, 2 ** 64]], ["text", "5", "5"]]) {
    const exact = gw.pv(name, { int64: "string" });
    const plain = gw.pv(name);
    const [exacts, plains] = [collect(exact, "value"), collect(plain, "value")];
    await until(() => exacts.length > 0 && plains.length > 0);
    assert.deepEqual([exacts.at(-1).value, plains.at(-1).value], [digits, number]);
    assert.equal(plain.last, plains.at(-1));
  }
});

test("64-bit integers of a binary array, requested by another handle, are numbers or digits", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", [5n, -(2n ** 62n)], { dtype: "<i8" });
  const gw = clientFor(t, gateway.url);
  const binary = gw.pv("X", { arrays: "binary" });
  const [numbers, digits] = [gw.pv("X"), gw.pv("X", { int64: "string" })];
  await once(binary, "value");
  await until(() => numbers.last !== null && digits.last !== null);
  assert.ok(binary.last.value instanceof BigInt64Array);
  assert.deepEqual(numbers.last.value, [5, -(2 ** 62)]);
  assert.deepEqual(digits.last.value, ["5", String(-(2n ** 62n))]);
});
