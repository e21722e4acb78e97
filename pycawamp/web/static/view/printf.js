/** The part of C's printf that displays use: %d %i %f %e %g %x %X %o %s and %%, with flags, width, precision. */

const DIRECTIVE = /%([-+ 0#]*)(\d+)?(?:\.(\d+))?([difeEgGxXosc%])/g;

/**
 * @param {string} format `"%.2f"`, `"beam %5.1f of 500"`
 * @param {number | bigint} value for numeric directives
 * @param {string} [text] for `%s`
 */
export function printf(format, value, text = String(value)) {
  return format.replace(DIRECTIVE, (_all, flags, width, precision, type) => {
    if (type === "%") return "%";
    const digits = precision === undefined ? undefined : Number(precision);
    const body = type === "s" || type === "c" ? text.slice(0, digits) : number(typeof value === "bigint" ? value : Number(value), type, flags, digits);
    return padded(body, Number(width ?? 0), flags, Number.isFinite(Number(value)) && type !== "s");
  });
}

function number(value, type, flags, digits) {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 || Object.is(value, -0) ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const size = value < 0 ? -value : value;
  return sign + (size === Infinity ? "Infinity" : magnitude(size, type, flags, digits));
}

function magnitude(size, type, flags, digits = 6) {
  switch (type) {
    case "f":
      return fixed(Number(size), Math.min(digits, 100));
    case "e":
    case "E":
      return exponential(Number(size), digits, type);
    case "g":
    case "G":
      return general(Number(size), digits || 1, type, flags.includes("#"));
    case "x":
      return (flags.includes("#") ? "0x" : "") + whole(size).toString(16);
    case "X":
      return (flags.includes("#") ? "0X" : "") + whole(size).toString(16).toUpperCase();
    case "o":
      return whole(size).toString(8);
    default:
      return whole(size).toString();
  }
}

/** Converts to an integer, which is formatted with all digits. */
function whole(size) {
  return typeof size === "bigint" ? size : BigInt(Math.trunc(size));
}

/** Formats with fixed decimals: from 1e21 on, JavaScript would add an exponent, unlike C. */
function fixed(size, digits) {
  return size < 1e21 ? size.toFixed(digits) : `${whole(size)}${digits > 0 ? `.${"0".repeat(digits)}` : ""}`;
}

/** Formats with an exponent of at least two digits, as C does. */
function exponential(size, digits, type) {
  const text = size.toExponential(Math.min(digits, 100)).replace(/e([+-])(\d)$/, "e$10$2");
  return type === "E" ? text.toUpperCase() : text;
}

function general(size, digits, type, keepZeros) {
  const exponent = size === 0 ? 0 : Number(size.toExponential(digits - 1).split("e")[1]);
  const plain = exponent >= -4 && exponent < digits;
  const text = plain ? size.toFixed(Math.min(digits - 1 - exponent, 100)) : exponential(size, digits - 1, type === "G" ? "E" : "e");
  return keepZeros ? text : text.replace(/(\.\d*?)0+(?=e|E|$)/, "$1").replace(/\.(?=e|E|$)/, "");
}

function padded(body, width, flags, numeric) {
  if (flags.includes("-")) return body.padEnd(width);
  if (!flags.includes("0") || !numeric) return body.padStart(width);
  const [, sign, digits] = /** @type {RegExpExecArray} */ (/^([-+ ]?(?:0[xX])?)(.*)$/.exec(body));
  return sign + digits.padStart(width - sign.length, "0");
}
