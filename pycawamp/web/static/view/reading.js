/** Formatting of updates for users. */

const SHOWN_ELEMENTS = 8;
/** Minimum number of digits of a number that the record's precision would show as zero. */
const MIN_DIGITS = 3;
const NO_VALUE = "no value";
/** Types whose values may exceed the exact range of numbers. */
const LONG = ["int64", "uint64"];
const DIGITS = /^-?\d+$/;

/**
 * @param {object} update
 * @param {object | null} [metadata] for enum labels and precision when the update brings no text
 */
export function textOf(update, metadata) {
  if (isEmpty(update)) return NO_VALUE;
  const { value } = update;
  if (typeof update.text === "string" && !hidesAll(update.text, value)) return update.text;
  if (isList(value)) return listText(value, metadata);
  return scalarText(value, metadata);
}

/** The value of an update; a BigInt with the digits of its text, if it is an integer that a number cannot hold. */
export function exactValue({ value, text }, metadata) {
  const isRounded = LONG.includes(metadata?.type) && typeof value === "number" && !Number.isSafeInteger(value);
  return isRounded && DIGITS.test(text ?? "") ? BigInt(text) : value;
}

/** Whether there is no value: beyond an array's end, or in an empty array of one element. */
export function isEmpty(update) {
  return update.count === 0 && !isList(update.value);
}

/** @returns {value is any[] | import("../client/types.js").TypedArray} */
export function isList(value) {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

export function scalarText(value, metadata) {
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  if (typeof value !== "number") return String(value);
  const label = metadata?.enum_strs?.[value];
  if (label) return label;
  if (!Number.isFinite(value)) return String(value);
  const digits = metadata?.precision;
  if (digits === undefined || Number.isInteger(value) && metadata.type !== "double" && metadata.type !== "float") return String(value);
  return fixed(value, digits);
}

/** Formats a number with the precision as EPICS displays do: very large numbers in exponential form. */
function fixed(value, digits) {
  const places = Math.min(Math.max(digits, 0), 17);
  const text = Math.abs(value) < 1e15 ? value.toFixed(places) : value.toExponential(places);
  return hidesAll(text, value) ? String(Number(value.toPrecision(Math.max(places, MIN_DIGITS)))) : text;
}

/** Whether a number that is not zero would be shown as zero. */
function hidesAll(text, value) {
  return typeof value === "number" && value !== 0 && Math.abs(value) < 1 && /^\s*-?0(\.0*)?\s*$/.test(text);
}

function listText(list, metadata) {
  const shown = Array.from(list.slice(0, SHOWN_ELEMENTS), (item) => scalarText(item, metadata));
  if (list.length > SHOWN_ELEMENTS) shown.push("…");
  return `[${shown.join(", ")}]`;
}
