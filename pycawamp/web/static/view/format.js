/** Formats of numbers: that of the record, or one that the user has chosen for a row. */
import { typedList } from "./entry.js";
import { exactValue, isEmpty, isList, textOf } from "./reading.js";

/** @type {Record<string, {label: string, text: ((value: number | bigint) => string) | null}>} */
export const FORMATS = {
  record: { label: "as the record says", text: null },
  exponential: { label: "exponential", text: (value) => Number(value).toExponential(4).replace("+", "") },
  significant: { label: "8 significant digits", text: (value) => String(Number(Number(value).toPrecision(8))) },
  hex: { label: "hexadecimal", text: (value) => whole(value, 16, "0x") },
  binary: { label: "binary", text: (value) => whole(value, 2, "0b") },
};

/**
 * @param {object} update
 * @param {object | null} metadata
 * @param {string} [format] a key of FORMATS
 */
export function formattedText(update, metadata, format = "record") {
  const write = FORMATS[format]?.text;
  const value = exactValue(update, metadata);
  const isNumber = typeof value === "bigint" || (typeof value === "number" && Number.isFinite(value));
  // As they would be typed, since otherwise the ends of elements would not be visible.
  if (isList(value) && metadata?.type === "string") return typedList(Array.from(value));
  return write && isNumber && !isEmpty(update) ? write(value) : textOf(update, metadata);
}

/** Formats integers. Numbers with a fraction are not changed. */
function whole(value, base, prefix) {
  if (typeof value === "number" && !Number.isInteger(value)) return String(value);
  return `${value < 0 ? "-" : ""}${prefix}${BigInt(value < 0 ? -value : value).toString(base).toUpperCase()}`;
}
