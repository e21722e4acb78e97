/** PV names out of what people type and paste. */

/**
 * Splits at white space, commas and semicolons, but not inside braces: channel filters are JSON,
 * `X.{"dbnd":{"d":0.5}}`. Each name once, in the order given.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function namesIn(text) {
  const names = [];
  let [name, depth] = ["", 0];
  for (const char of `${text}\n`) {
    if (depth === 0 && /[\s,;]/.test(char)) {
      if (name) names.push(name);
      name = "";
      continue;
    }
    if (char === "{") depth += 1;
    if (char === "}") depth = Math.max(0, depth - 1);
    name += char;
  }
  if (name.trim()) names.push(...name.split(/[\s,;]+/).filter(Boolean));
  return [...new Set(names)];
}
