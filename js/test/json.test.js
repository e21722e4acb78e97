import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonOf } from "../../pycawamp/web/static/client/json.js";

const PLAIN = [
  -0, NaN, -Infinity, 1e21, 1e-7, "\ud800\u2028\"", true, null, [undefined, NaN], new Array(1).concat(1), new Array(3), [[[]], {}],
  { a: undefined, b: 1 }, { f: () => 1, s: Symbol("s"), b: [() => 1] }, Object.create({ inherited: 1 }),
  new Date(0), { toJSON: () => [1] }, new Number(5), [new String("ab"), new Boolean(false)], new Map([[1, 2]]),
];

test("values without BigInts are written as by JSON.stringify", () => {
  for (const value of PLAIN) assert.equal(jsonOf({ value }), JSON.stringify({ value }));
});

test("integers of 64 bits keep all digits, at any depth", () => {
  const least = -(2n ** 63n);
  assert.equal(jsonOf([1n, BigInt64Array.of(least), { a: new Array(1).concat(2n) }]), `[1,[${least}],{"a":[null,2]}]`);
  assert.equal(jsonOf([Float32Array.of(1.5, NaN, -0), new Uint8Array(0)]), "[[1.5,null,0],[]]");
});
