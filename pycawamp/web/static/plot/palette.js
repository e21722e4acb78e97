/** The style sheet's colours for canvases, which cannot read them by themselves. */
const NAMES = ["text", "muted", "line", "grid", "trace", "fill", "panel", "minor-line", "major-line", "invalid", "accent", ...Array.from({ length: 8 }, (_, i) => `series-${i + 1}`)];

let colours = null;

/** @returns {Record<string, string>} */
export function palette() {
  colours ??= read();
  return colours;
}

/** The theme changed. */
export function forgetPalette() {
  colours = null;
}

function read() {
  const style = getComputedStyle(document.documentElement);
  const font = getComputedStyle(document.body).fontFamily;
  const pairs = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
  return { ...Object.fromEntries(pairs), font };
}
