/** Converts typed text to a value to put. Throws a RangeError with a message for the user. */
import { isList } from "./reading.js";

/** An element: in quotes, with `\"` for a quote, or without. */
const ELEMENT = /"((?:[^"\\]|\\.)*)"(?=[\s,;]|$)|[^\s,;]+/gs;
/** Elements that need no quotes. */
const PLAIN = /^(?!\[\]$)[^\s,;"\\]+$/;
const DECIMAL_COMMA = /\d+,\d+/;
const SEPARATED = /\d\s*[\s;]\s*[-+.\d]/;
const COMMA = /^[+-]?\d*,\d+$/;
export const INTEGERS = ["long", "short", "char", "int8", "uint8", "uint16", "uint32", "int64", "uint64"];
/** Types of values that cannot be written here. */
export const UNWRITABLE = ["table", "image"];
const BOOLS = ["true", "false"];
/** The range of all integer types. */
const LARGEST = 2n ** 64n - 1n;
export const FLOATS = ["double", "float"];
const WHOLE = /^[+-]?\d+$/;
const HEX = /^[+-]?0x[0-9a-f]+$/i;

/**
 * @param {string} text
 * @param {object | null} metadata of the PV; if it is null, text that looks like a number is a number
 */
export function valueFrom(text, metadata) {
  const type = metadata?.type;
  const isArray = (metadata?.count ?? 1) !== 1;
  if (type === "structure") return fields(text);
  if (type === "char" && isArray) return text;
  if (isArray && type !== "string") refuseDecimalCommas(text);
  if (isArray) return elementsIn(text).map((item) => one(item, type, metadata?.enum_strs));
  return one(text, type, metadata?.enum_strs);
}

/** Converts the fields of a structure, given as JSON. */
function fields(text) {
  let value;
  try {
    value = JSON.parse(text, withDigits);
  } catch {
    value = null;
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new RangeError('Enter an object with some of the fields: {"field": value}');
  return value;
}

/** Parses a JSON number with all digits, if the browser supports that. */
function withDigits(_name, value, context) {
  const digits = context?.source ?? "";
  return typeof value === "number" && WHOLE.test(digits) ? whole(digits) : value;
}

/** Splits a list at spaces, commas or semicolons, which may also be within quotes. `[]` is empty. */
function elementsIn(text) {
  if (text.trim() === "[]") return [];
  const elements = [];
  for (const [all, quoted] of text.matchAll(ELEMENT)) {
    if (quoted === undefined && all.startsWith('"')) throw new RangeError(`Expected a closing quote, followed by a comma: ${all}`);
    elements.push(quoted?.replace(/\\(.)/gs, "$1") ?? all);
  }
  if (elements.length === 0) throw new RangeError("Nothing to write. Enter [] for an empty array.");
  return elements;
}

/** Throws if a comma may be meant as a decimal point, as elements are separated by spaces or semicolons. */
function refuseDecimalCommas(text) {
  const [doubtful] = DECIMAL_COMMA.exec(text) ?? [];
  if (doubtful && SEPARATED.test(text)) throw new RangeError(`“${doubtful}” may be one number or two. Type a decimal point, or a blank after the comma.`);
}

/** Formats a list of strings as it would be typed. */
export function typedList(strings) {
  if (strings.length === 0) return "[]";
  return strings.map((each) => (PLAIN.test(each) ? each : `"${each.replace(/["\\]/g, "\\$&")}"`)).join(", ");
}

function one(text, type, labels) {
  if (type === "string") return text;
  const trimmed = text.trim();
  const exact = labels?.indexOf(text) ?? -1;
  const index = exact >= 0 ? exact : labels?.indexOf(trimmed) ?? -1;
  if (index >= 0) return index;
  if (type === "bool" && BOOLS.includes(trimmed)) return trimmed === "true";
  const number = HEX.test(trimmed) || WHOLE.test(trimmed) ? whole(trimmed) : Number(trimmed);
  if (trimmed !== "" && (typeof number === "bigint" || Number.isFinite(number))) {
    if (INTEGERS.includes(type) && typeof number === "number" && !Number.isInteger(number)) throw new RangeError(`“${trimmed}” is not a whole number.`);
    return number;
  }
  if (type === undefined) return text;
  if (COMMA.test(trimmed) && !labels) throw new RangeError(`“${trimmed}” has a comma. Type a decimal point: ${trimmed.replace(",", ".")}`);
  throw new RangeError(trimmed === "" ? "Nothing to write." : `“${trimmed}” is not ${labels ? "one of the choices" : "a number"}.`);
}

/** Parses a whole number, decimal or like 0x1F; a BigInt if a number would lose digits. */
function whole(text) {
  const size = text.replace(/^[+-]/, "");
  const sign = text.startsWith("-") ? -1 : 1;
  const number = sign * Number(size);
  return Number.isSafeInteger(number) || BigInt(size) > LARGEST ? number : BigInt(sign) * BigInt(size);
}

/** Returns a sentence about the limits that a value exceeds; null if there are none. */
export function limitWarning(value, metadata) {
  const limits = metadata?.control_limits;
  // Both limits are zero if the record has none; null means no limit on that side.
  if ((typeof value !== "number" && typeof value !== "bigint") || !limits || limits[0] === limits[1]) return null;
  const units = metadata.units ? ` ${metadata.units}` : "";
  const [low, high] = limits.map((limit) => (Number.isFinite(limit) ? limit : null));
  if (low !== null && value < low) return `${value}${units} is below the control limit of ${low}${units}.`;
  if (high !== null && value > high) return `${value}${units} is above the control limit of ${high}${units}.`;
  return null;
}

/** Returns a sentence if an array becomes longer or shorter, otherwise null. */
export function lengthWarning(value, current) {
  if (!Array.isArray(value) || !isList(current) || value.length === current.length) return null;
  return `The array has ${current.length} elements now and would have ${value.length}.`;
}
