/** Converts raw little-endian elements to typed arrays, on machines of any byte order. */

/** @typedef {{new (buffer: ArrayBufferLike, offset?: number, length?: number): import("./types.js").TypedArray, BYTES_PER_ELEMENT: number}} TypedArrayConstructor */

/** @type {Record<string, TypedArrayConstructor>} */
const KINDS = {
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
};

const HOST_IS_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * @param {string} dtype as NumPy writes it: `<f8`, `<i4`, `|u1`
 * @param {number[]} shape
 * @param {Uint8Array} bytes
 * @returns {import("./types.js").TypedArray} a view of `bytes` where alignment allows, a copy where not;
 *   the bytes themselves if the dtype is unknown
 */
export function typedArray(dtype, shape, bytes, hostIsLittle = HOST_IS_LITTLE) {
  const length = elementsOf(shape);
  const Kind = kindOf(dtype);
  if (!Kind) return bytes;
  const size = Kind.BYTES_PER_ELEMENT;
  if (bytes.byteLength !== length * size) {
    throw new RangeError(`${bytes.byteLength} bytes for ${length} elements of ${dtype}`);
  }
  if (size > 1 && !hostIsLittle) return new Kind(swapped(bytes, size).buffer);
  if (bytes.byteOffset % size !== 0) return new Kind(bytes.slice().buffer);
  return new Kind(bytes.buffer, bytes.byteOffset, length);
}

/**
 * The bytes of a base64 text.
 * @param {string} text
 */
export function fromBase64(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * Whether elements of this type become a typed array of their own.
 * @param {unknown} dtype
 */
export function isKnown(dtype) {
  return kindOf(dtype) !== undefined;
}

/** @param {unknown} dtype */
function kindOf(dtype) {
  const [, kind] = /^[<|]([iuf][1248])$/.exec(String(dtype)) ?? [];
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
}

/** @param {number[]} shape */
function elementsOf(shape) {
  if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new RangeError("expected a list of sizes as shape");
  }
  return shape.reduce((product, n) => product * n, 1);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} size of an element
 */
function swapped(bytes, size) {
  const copy = bytes.slice();
  for (let i = 0; i < copy.length; i += size) copy.subarray(i, i + size).reverse();
  return copy;
}
