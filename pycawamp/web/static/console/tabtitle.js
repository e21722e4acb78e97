/** The title and the icon of the browser's tab: the list, and the worst alarm or that values are stale. */

const ICON = "static/icon.svg";
/** The shape of each level, which identifies it without its colour. */
const SIGNS = {
  invalid: ["#7d1fa3", '<path d="M9 9l14 14M23 9L9 23" stroke="#fff" stroke-width="5" stroke-linecap="round"/>'],
  major: ["#c4121f", '<path d="M16 5l11 11-11 11L5 16z" fill="#fff"/>'],
  minor: ["#ffd84a", '<path d="M16 6l12 20H4z" fill="#352800"/>'],
  disconnected: ["#566070", '<circle cx="16" cy="16" r="9" fill="none" stroke="#fff" stroke-width="4"/><path d="M10 22L22 10" stroke="#fff" stroke-width="4"/>'],
};

export class TabTitle {
  #icon;
  #list = "pycaserver";
  #level = "ok";
  #prefix = "";

  /** @param {HTMLLinkElement} icon */
  constructor(icon) {
    this.#icon = icon;
  }

  /** @param {string} name of the layout, or "" @param {string[]} names of the PVs */
  list(name, names) {
    const list = name || `${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""}`;
    this.#list = list === "" ? "pycaserver" : `${list} · pycaserver`;
    this.#show();
  }

  /**
   * @param {import("./alarms.js").State | undefined} worst
   * @param {number} count PVs that are not ok
   * @param {boolean} isStale whether the gateway cannot be reached
   */
  alarms(worst, count, isStale) {
    const level = isStale ? "disconnected" : worst?.condition.level ?? "ok";
    const alarm = worst ? `${worst.condition.shape} ${worst.condition.word} (${count}) · ` : "";
    this.#prefix = isStale ? "⊘ STALE · " : alarm;
    this.#show();
    if (level === this.#level) return;
    this.#level = level;
    this.#icon.href = level === "ok" ? ICON : iconOf(...SIGNS[level]);
  }

  #show() {
    const title = this.#prefix + this.#list;
    if (document.title !== title) document.title = title;
  }
}

function iconOf(colour, sign) {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${colour}"/>${sign}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
