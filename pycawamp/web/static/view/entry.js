/** What a person typed → what to put. Throws a RangeError with a sentence for that person. */

const HEX = /^[+-]?0x[0-9a-f]+$/i;

/**
 * @param {string} text
 * @param {object | null} metadata of the PV; unknown: numbers are taken for numbers
 */
export function valueFrom(text, metadata) {
  const type = metadata?.type;
  const isArray = (metadata?.count ?? 1) !== 1;
  if (type === "char" && isArray) return text;
  if (isArray) return text.split(/[\s,;]+/).filter(Boolean).map((item) => one(item, type));
  return one(text, type, metadata?.enum_strs);
}

function one(text, type, labels) {
  if (type === "string") return text;
  const trimmed = text.trim();
  const index = labels?.indexOf(trimmed) ?? -1;
  if (index >= 0) return index;
  const number = HEX.test(trimmed) ? hex(trimmed) : Number(trimmed);
  if (trimmed !== "" && Number.isFinite(number)) return number;
  if (type === undefined) return text;
  throw new RangeError(trimmed === "" ? "Nothing to write." : `“${trimmed}” is not ${labels ? "one of the choices" : "a number"}.`);
}

function hex(text) {
  return text.startsWith("-") ? -Number(text.slice(1)) : Number(text.replace("+", ""));
}

/** Which limits a value lies outside of, as a sentence; null when inside or when there are none. */
export function limitWarning(value, metadata) {
  const [low, high] = metadata?.control_limits ?? [];
  // Records without limits have both at zero.
  if (typeof value !== "number" || !(low < high) || (value >= low && value <= high)) return null;
  const units = metadata.units ? ` ${metadata.units}` : "";
  return `${value}${units} is ${value < low ? "below" : "above"} the control limits of ${low} to ${high}${units}.`;
}
