/** The colours of the style sheet, for canvases. */
const NAMES = ["text", "muted", "line", "grid", "trace", "fill", "panel", "minor-line", "major-line", "invalid", "accent", ...Array.from({ length: 8 }, (_, i) => `series-${i + 1}`)];

/** Defaults, for a white background. */
const USUAL = {
  text: "#141a23", muted: "#566070", line: "#d5dbe3", grid: "#e4e8ee", trace: "#0b57c2", fill: "rgb(11 87 194 / 16%)", panel: "#ffffff",
  "minor-line": "#b98900", "major-line": "#c4121f", invalid: "#7d1fa3", accent: "#0b57c2", "series-1": "#0b57c2",
};

let colours = null;

/** @returns {Record<string, string>} */
export function palette() {
  colours ??= read();
  return colours;
}

/** Reads the colours again after a change of the theme. */
export function forgetPalette() {
  colours = null;
}

function read() {
  // The computed style of an element is a colour; that of a variable is `light-dark(…)`.
  const probe = document.body.appendChild(document.createElement("span"));
  const style = getComputedStyle(probe);
  const pairs = NAMES.map((name) => {
    probe.style.color = `var(--${name}, ${USUAL[name] ?? USUAL.trace})`;
    return [name, style.color];
  });
  const { fontFamily: font } = style;
  probe.remove();
  return { ...Object.fromEntries(pairs), font };
}
