/** The line that says how things are at a glance: how many PVs, in which states, how much traffic. */
import { el } from "./dom.js";
import { statusOf } from "./status.js";

const ORDER = [
  ["major", "◆", "major"], ["minor", "▲", "minor"], ["invalid", "✕", "invalid"],
  ["disconnected", "⊘", "disconnected"], ["searching", "◌", "searching"], ["stale", "⊘", "stale"],
];

export class Summary {
  #counts;
  #traffic;
  #table;
  #last = { updates: 0, at: performance.now() };
  #shown = "";

  constructor(counts, traffic, table) {
    this.#counts = counts;
    this.#traffic = traffic;
    this.#table = table;
  }

  /** About once a second. */
  paint() {
    const tally = {};
    for (const { watch } of this.#table.rows) {
      const { name } = statusOf(watch);
      tally[name] = (tally[name] ?? 0) + 1;
    }
    this.#paintCounts(tally);
    this.#paintTraffic();
  }

  #paintCounts(tally) {
    const key = JSON.stringify([this.#table.size, tally]);
    if (key === this.#shown) return;
    this.#shown = key;
    const total = el("span", {}, `${this.#table.size} PV${this.#table.size === 1 ? "" : "s"}`);
    const parts = ORDER.filter(([name]) => tally[name]).map(([name, shape, word]) => el("span", { class: `count is-${name}` }, `${shape} ${tally[name]} ${word}`));
    this.#counts.replaceChildren(total, ...parts);
  }

  #paintTraffic() {
    const now = performance.now();
    const { updates } = this.#table;
    const rate = ((updates - this.#last.updates) * 1000) / (now - this.#last.at);
    this.#last = { updates, at: now };
    const text = rate >= 10 ? Math.round(rate).toLocaleString("en") : rate.toFixed(1);
    this.#traffic.textContent = `${text} updates/s`;
  }
}
