import assert from "node:assert/strict";
import { test } from "node:test";
import { composedKind } from "../../pycawamp/web/static/console/kind.js";
import { Camera } from "../../pycawamp/web/static/plot/camera.js";
import { colormap, COLORMAPS, LEVELS, word } from "../../pycawamp/web/static/plot/colormap.js";
import { frameOf, numbers, pixel, range, statistics } from "../../pycawamp/web/static/plot/frame.js";
import { paint } from "../../pycawamp/web/static/plot/raster.js";

const grey = colormap("Grey");

/** The red components of a frame's pixels. */
function painted(frame, limits) {
  const pixels = new Uint32Array(frame.width * frame.height);
  paint(frame, limits, grey, pixels);
  const bytes = new Uint8ClampedArray(pixels.buffer);
  return Array.from(pixels, (_, i) => bytes[4 * i]);
}

test("a picture is an array with rows, or one with a width", () => {
  const value = Uint8Array.from({ length: 6 }, (_, i) => i);
  const sizes = (frame) => frame && [frame.width, frame.height, frame.colours];
  assert.deepEqual(sizes(frameOf({ value, shape: [2, 3] })), [3, 2, 1]);
  assert.deepEqual(sizes(frameOf({ value: [0, 1, 2, 3, 4, 5], shape: [6] }, 2)), [2, 3, 1]);
  assert.deepEqual(sizes(frameOf({ value }, 4)), [4, 1, 1]);
  assert.deepEqual(sizes(frameOf({ value, shape: [1, 2, 3] })), [2, 1, 3]);
  for (const none of [{ value }, { value, shape: [6] }, { value, shape: [0, 3] }, { value: 5, shape: [1, 1] }, { value: "text" }]) assert.equal(frameOf(none), null);
  assert.equal(frameOf({ value }, 7), null);
});

test("the dimension of colours is the last, the first or the second", () => {
  // A picture of 2 x 2 whose numbers encode their position: row, column, colour.
  const number = (row, column, colour) => 100 * row + 10 * column + colour;
  const places = { last: [2, 2, 3], first: [3, 2, 2], middle: [2, 3, 2] };
  for (const [place, shape] of Object.entries(places)) {
    const value = new Uint8Array(12);
    for (const row of [0, 1]) for (const column of [0, 1]) for (const colour of [0, 1, 2]) {
      const at = { last: [row, column, colour], first: [colour, row, column], middle: [row, colour, column] }[place];
      value[(at[0] * shape[1] + at[1]) * shape[2] + at[2]] = number(row, column, colour);
    }
    const frame = frameOf({ value, shape });
    assert.deepEqual([frame.width, frame.height, frame.colours], [2, 2, 3], place);
    assert.deepEqual(pixel(frame, 1, 0), [10, 11, 12], place);
    assert.deepEqual(pixel(frame, 0, 1), [100, 101, 102], place);
    const pixels = new Uint32Array(4);
    paint(frame, [0, 255], grey, pixels);
    assert.equal(pixels[2], word(100, 101, 102), place);
  }
});

for (const Kind of [Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, Array]) {
  test(`numbers of ${Kind.name} have the colours between the two ends of a range`, () => {
    const value = Kind.from([0, 25, 50, 100, 120, 7]);
    assert.deepEqual(painted(frameOf({ value, shape: [2, 3] }), [0, 100]), [0, 63, 127, 255, 255, 17]);
    // A large one is converted with a table of all possible numbers.
    const large = Kind.from(Array.from({ length: 70_000 }, (_, i) => [0, 25, 50, 100, 120, 7][i % 6]));
    assert.deepEqual(painted(frameOf({ value: large }, 700), [0, 100]).slice(0, 6), [0, 63, 127, 255, 255, 17]);
  });
}

test("negative numbers, NaN and 64 bits are painted too", () => {
  for (const Kind of [Int8Array, Int16Array, Float64Array]) {
    const large = Kind.from(Array.from({ length: 70_000 }, (_, i) => [-100, 0, 100][i % 3]));
    assert.deepEqual(painted(frameOf({ value: large }, 700), [-100, 100]).slice(0, 3), [0, 127, 255], Kind.name);
  }
  assert.deepEqual(painted(frameOf({ value: [NaN, Infinity, -Infinity, 1], shape: [2, 2] }), [0, 1]), [0, 255, 0, 255]);
  const big = BigInt64Array.of(-5n, 5n);
  assert.deepEqual(numbers(big), Float64Array.of(-5, 5));
  assert.deepEqual(painted(frameOf({ value: big }, 2), [-5, 5]), [0, 255]);
  assert.deepEqual(painted(frameOf({ value: [3, 3], shape: [1, 2] }), [3, 3]), [0, 0]);
});

test("a range ignores NaN and infinities", () => {
  assert.deepEqual(range(frameOf({ value: [NaN, 3, -Infinity, 7, Infinity, 5], shape: [2, 3] })), [3, 7]);
  const [low, high] = range(frameOf({ value: [NaN, NaN], shape: [1, 2] }));
  assert.ok(low > high);
});

test("a region has a mean, ends, a sum and a centre", () => {
  const value = new Float64Array(20);
  [value[6], value[7], value[11]] = [1, 3, NaN];
  const frame = frameOf({ value, shape: [4, 5] });
  const found = statistics(frame, { x: 1, y: 1, width: 2, height: 2 });
  assert.deepEqual([found.count, found.sum, found.low, found.high], [3, 4, 0, 3]);
  assert.deepEqual(found.centre, [1.75, 1]);
  assert.equal(statistics(frame, { x: 0, y: 0, width: 1, height: 1 }).centre, null);
});

test("every map has a colour for every level", () => {
  for (const name of COLORMAPS) {
    const words = colormap(name);
    assert.equal(words.length, LEVELS);
    assert.equal(new Uint8Array(words.buffer)[3], 255, name);
    assert.notEqual(words[0], words[LEVELS - 1], name);
  }
});

test("a zoom keeps the point under the pointer, and the picture visible", () => {
  const [frame, surface, camera] = [{ width: 100, height: 50 }, { width: 400, height: 400 }, new Camera()];
  assert.deepEqual(camera.place(frame, surface), { scale: 4, left: 0, top: 100 });
  const at = ([x, y]) => {
    const { scale, left, top } = camera.place(frame, surface);
    return [Math.round((x - left) / scale * 1e6), Math.round((y - top) / scale * 1e6)];
  };
  const before = at([150, 210]);
  camera.zoomAt(3, [150, 210], frame, surface);
  assert.deepEqual(at([150, 210]), before);
  camera.scroll([10_000, -10_000], frame, surface);
  const { scale, left, top } = camera.place(frame, surface);
  assert.deepEqual([scale, Math.round(left)], [12, 0]);
  assert.ok(top + 50 * scale <= 400 + 100 * 3, String(top));
  camera.zoomAt(1e-9, [0, 0], frame, surface);
  assert.deepEqual(camera.place(frame, surface), { scale: 4, left: 0, top: 100 });
});

test("every value has a kind, and no value throws", () => {
  assert.equal(composedKind({ value: 5 }, null, 0), null);
  assert.equal(composedKind({ value: null }, null, 10), null);
  assert.equal(composedKind({ value: new Uint8Array(6), shape: [6] }, null, 0), null);
  assert.equal(composedKind({ value: new Uint8Array(6), shape: [6] }, null, 3), "image");
  assert.equal(composedKind({ value: new Uint8Array(6), shape: [2, 3] }, null, 0), "image");
  assert.equal(composedKind({ value: new Uint8Array(6), shape: [6], codec: "lz4" }, null, 0), "image");
  assert.equal(composedKind({ value: { labels: [], columns: {} } }, { type: "table" }, 0), "table");
  assert.equal(composedKind({ value: {} }, { type: "from the future" }, 0), "tree");
});
