/** Converts values to JSON, with all digits of 64-bit integers. */

/** Types of fields that JSON.stringify leaves out. */
const OMITTED = ["undefined", "function", "symbol"];

/**
 * @param {unknown} value may have BigInts and typed arrays
 * @returns {string} as JSON.stringify, with BigInts as numbers and typed arrays as arrays
 */
export function jsonOf(value) {
  if (typeof value === "bigint") return String(value);
  if (value instanceof BigInt64Array || value instanceof BigUint64Array) return `[${value.join()}]`;
  if (ArrayBuffer.isView(value)) return JSON.stringify(Array.from(/** @type {Iterable<number>} */ (/** @type {unknown} */ (value))));
  // Array.from includes holes.
  if (Array.isArray(value)) return `[${Array.from(value, jsonOf).join()}]`;
  if (value === null || typeof value !== "object" || "toJSON" in value || isBoxed(value)) return JSON.stringify(value) ?? "null";
  const fields = Object.entries(value).filter(([, field]) => !OMITTED.includes(typeof field));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${jsonOf(field)}`).join()}}`;
}

/** @param {object} value */
function isBoxed(value) {
  return value instanceof Number || value instanceof String || value instanceof Boolean;
}
