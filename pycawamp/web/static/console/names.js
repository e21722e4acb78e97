/** Converts between lists of PV names and text that is typed or pasted. */

const SEPARATOR = /[\s,;]/;
/** A name in quotes, with `\"` for a quote. */
const QUOTED = /"((?:[^"\\]|\\.)*)"(?=[\s,;]|$)/sy;
/** A formula, to the end of its line. */
const FORMULA = /(?:=|eq:\/\/)[^\r\n]*/iy;
/** A local or simulated PV, with values in parentheses. */
const VALUES = /(?:loc|sim):\/\/[^\s,;("]+\((?:[^"()]|"(?:[^"\\]|\\.)*")*\)(?=[\s,;]|$)/isy;

/**
 * Splits at white space, commas and semicolons, but not inside braces: channel filters are JSON,
 * `X.{"dbnd":{"d":0.5}}`. Nor inside quotes: `"a,b"` is one name. Nor inside the parentheses of
 * `loc://x(1, 2)`. A formula, which begins with `=` or `eq://`, extends to the end of the line.
 * Duplicates are removed; the order is kept.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function namesIn(text) {
  const names = new Set();
  let hasBraces = true;
  for (let start = 0; start < text.length; start += 1) {
    QUOTED.lastIndex = start;
    const quoted = QUOTED.exec(text);
    let end = quoted ? QUOTED.lastIndex : endOfOwn(text, start) ?? endOfName(text, start, hasBraces);
    if (end === undefined) {
      // An unmatched brace is treated like any other character.
      hasBraces = false;
      end = endOfName(text, start, false);
    }
    names.add(quoted ? quoted[1].replace(/\\(.)/gs, "$1") : text.slice(start, end).trimEnd());
    start = end;
  }
  names.delete("");
  return [...names];
}

/** A name as text for a list: in quotes if it would be split otherwise. */
export function typedName(name) {
  const isPlain = !/^(?:"|=|eq:\/\/)/i.test(name) && (endOfOwn(name, 0) ?? endOfName(name, 0, true)) === name.length;
  return isPlain ? name : `"${name.replace(/["\\]/g, "\\$&")}"`;
}

/** The end of a formula or of the name of a local or simulated PV; undefined for other names. */
function endOfOwn(text, start) {
  for (const pattern of [FORMULA, VALUES]) {
    pattern.lastIndex = start;
    if (pattern.test(text)) return pattern.lastIndex;
  }
}

/** The end of a name; undefined if its braces do not match. */
function endOfName(text, start, hasBraces) {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    const char = text[at];
    if (depth === 0 && SEPARATOR.test(char)) return at;
    if (hasBraces && char === "{") depth += 1;
    if (char === "}") depth = Math.max(0, depth - 1);
  }
  return depth === 0 ? text.length : undefined;
}
