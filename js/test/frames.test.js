import assert from "node:assert/strict";
import { test } from "node:test";
import { typedArray } from "../../pycawamp/web/static/client/arrays.js";
import { binaryFrame, bytesOf } from "../support/encode.js";
import { clientFor, collect, gatewayFor, once, pause, until } from "../support/harness.js";

const kinds = [
  ["<f8", Float64Array, [1.5, -2.25, NaN]],
  ["<f4", Float32Array, [0.5, 1e10]],
  ["<i4", Int32Array, [-1, 2147483647]],
  ["<i2", Int16Array, [-32768, 3]],
  ["<u2", Uint16Array, [65535]],
  ["|u1", Uint8Array, [0, 255, 7]],
  ["|i1", Int8Array, [-128]],
  ["<i8", BigInt64Array, [-5n, 2n ** 60n]],
  ["<f8", Float64Array, []],
];

for (const arrays of ["binary", "base64"]) {
  for (const [dtype, Kind, list] of kinds) {
    test(`${arrays} ${dtype} of ${list.length} arrives as ${Kind.name}`, async (t) => {
      const gateway = await gatewayFor(t);
      gateway.add("W", list, { dtype, meta: { units: "V" } });
      const update = await once(clientFor(t, gateway.url).pv("W", { arrays }), "value");
      assert.deepEqual(update.value, Kind.from(list));
      assert.deepEqual(update.shape, [list.length]);
      assert.deepEqual([update.pvname, update.units, update.count], ["W", "V", list.length]);
      assert.equal("dtype" in update, false);
    });
  }
}

test("a handle with JSON gets plain arrays, regardless of other handles", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("W", [1, 2], { dtype: "<f8" });
  const gw = clientFor(t, gateway.url);
  const [plain, typed] = [gw.pv("W"), gw.pv("W", { arrays: "binary" })];
  const [one, two] = await Promise.all([once(plain, "value"), once(typed, "value")]);
  assert.deepEqual(one.value, [1, 2]);
  assert.deepEqual(two.value, Float64Array.of(1, 2));
  assert.equal(plain.last, one);
});

test("the reply to a get may be a binary frame", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("W", [1, 2, 3], { dtype: "<i4" });
  const update = await clientFor(t, gateway.url).pv("W", { arrays: "binary" }).get();
  assert.deepEqual(update.value, Int32Array.of(1, 2, 3));
  assert.equal("id" in update, false);
});

test("elements are little-endian on any machine, at any offset", () => {
  const bytes = new Uint8Array(bytesOf([1, -2, 3], "<i4"));
  assert.deepEqual(typedArray("<i4", [3], bytes), Int32Array.of(1, -2, 3));
  const shifted = new Uint8Array(13);
  shifted.set(bytes, 1);
  assert.deepEqual(typedArray("<i4", [3], shifted.subarray(1)), Int32Array.of(1, -2, 3));
  // A big-endian machine would swap bytes; here, that gives swapped numbers.
  assert.deepEqual(typedArray("<i2", [2], Uint8Array.of(1, 2, 3, 4), false), Int16Array.of(0x0102, 0x0304));
  assert.deepEqual(typedArray("|u1", [2], Uint8Array.of(1, 2), false), Uint8Array.of(1, 2));
  assert.deepEqual(typedArray("<f8", [2, 3], new Uint8Array(48)).length, 6);
  for (const bad of [["<f8", [2]], ["<f8", "no"], ["<f8", [-1]]]) {
    assert.throws(() => typedArray(bad[0], bad[1], new Uint8Array(8)), RangeError, String(bad));
  }
});

test("elements of an unknown type are bytes, with the name of their type", async (t) => {
  for (const dtype of ["<f16", ">f8", "=f8", "<c8", "__proto__", undefined, 7]) {
    assert.deepEqual(typedArray(dtype, [1], Uint8Array.of(1, 2, 3)), Uint8Array.of(1, 2, 3), String(dtype));
  }
  const gateway = await gatewayFor(t);
  gateway.add("W", [1], { dtype: "<i2" });
  const values = collect(clientFor(t, gateway.url).pv("W", { arrays: "binary" }), "value");
  await until(() => values.length === 1);
  const header = { msg_type: "monitor", pvname: "W", count: 1, timestamp: 2 };
  gateway.send(Buffer.from(binaryFrame({ ...header, value: [258] }, "<i2").toString("latin1").replace("<i2", "<c2"), "latin1"));
  gateway.send({ ...header, value: { dtype: "<f16", shape: [1], base64: "AQI=" } });
  await until(() => values.length === 3);
  assert.deepEqual(values.slice(1).map((update) => [update.dtype, update.value]), [["<c2", Uint8Array.of(2, 1)], ["<f16", Uint8Array.of(1, 2)]]);
});

test("a picture has all dimensions, or a codec", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("W", [1], { dtype: "<i2" });
  const values = collect(clientFor(t, gateway.url).pv("W", { arrays: "binary" }), "value");
  await until(() => values.length === 1);
  const header = { msg_type: "monitor", pvname: "W", count: 6, timestamp: 2 };
  gateway.send({ ...header, value: { dtype: "|u1", shape: [2, 3], base64: "AQIDBAUG" } });
  gateway.send({ ...header, value: { dtype: "|u1", shape: [6], codec: "jpeg", image_shape: [20, 30], base64: "AQIDBAUG" } });
  await until(() => values.length === 3);
  assert.deepEqual([values[1].shape, values[1].value.length, values[2].codec, values[2].image_shape], [[2, 3], 6, "jpeg", [20, 30]]);
});

test("the messages of a batch are handled in order", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 0);
  const gw = clientFor(t, gateway.url);
  const values = collect(gw.pv("X"), "value");
  await until(() => values.length === 1);
  gateway.send([1, 2, 3].map((value) => ({ msg_type: "monitor", pvname: "X", value, count: 1, timestamp: value })));
  await until(() => values.length === 4);
  assert.deepEqual(values.map((update) => update.value), [0, 1, 2, 3]);
  assert.deepEqual(gateway.requests[0].action, "configure");
  assert.equal(gateway.requests[0].batch, true);
});

test("invalid frames do not break the client", async (t) => {
  const gateway = await gatewayFor(t);
  gateway.add("X", 0);
  const gw = clientFor(t, gateway.url);
  const pv = gw.pv("X", { metadata: true });
  const [values, errors] = [collect(pv, "value"), collect(gw, "error")];
  await until(() => values.length === 1);
  const good = binaryFrame({ msg_type: "monitor", pvname: "X", value: [1, 2], count: 2, timestamp: 1 }, "<f8");
  const bad = [
    "", "not json", "{", "null", "[null, 3]",
    '{"msg_type":"monitor","pvname":"X"}',
    '{"msg_type":"monitor","pvname":"X","value":{"dtype":"<f8","shape":[1],"base64":"!"}}',
    '{"msg_type":"monitor","pvname":"X","value":{"base64":""}}',
    Buffer.alloc(0), Buffer.alloc(3), Buffer.from([255, 255, 255, 255]), Buffer.from([2, 0, 0, 0, 0x7b]),
    good.subarray(0, good.length - 1), Buffer.from([1, 0, 0, 0, 0xff, 0, 0, 0]),
  ];
  const harmless = [
    "[]", "{}", "7", '"text"', "[[]]", '{"msg_type":"from the future","pvname":"X"}', '{"msg_type":"monitor","pvname":"unknown","value":1}',
    '{"msg_type":"put","id":99,"ok":true}', '{"msg_type":"error","id":99,"pvname":"X"}', '{"msg_type":"connection","pvname":"__proto__","conn":true}',
  ];
  for (const frame of [...bad, ...harmless]) gateway.send(frame);
  gateway.post("X", 1);
  await until(() => values.length === 2);
  await pause(5);
  assert.equal(values[1].value, 1);
  assert.equal(errors.every((error) => error.code === "bad_frame"), true);
  assert.equal(errors.length, bad.length)
  assert.equal(gw.state, "open");
});
