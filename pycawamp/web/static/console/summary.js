/** The summary line: the number of PVs, their states, and the traffic. */
import { el } from "./dom.js";
import { statusOf } from "./status.js";

/** States, the worst first. PVs that are ok are not counted. */
const ORDER = ["invalid", "major", "minor", "disconnected", "stale", "searching"];

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
    const counts = new Map();
    for (const { watch } of this.#table.rows) {
      const { name, shape, word } = statusOf(watch);
      const count = counts.get(word) ?? { name, shape, word, count: 0 };
      counts.set(word, count);
      count.count += 1;
    }
    this.#paintCounts([...counts.values()].filter(({ name }) => name !== "ok"));
    this.#paintTraffic();
  }

  #paintCounts(counts) {
    counts.sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
    const key = JSON.stringify([this.#table.size, counts]);
    if (key === this.#shown) return;
    this.#shown = key;
    const total = el("span", {}, `${this.#table.size} PV${this.#table.size === 1 ? "" : "s"}`);
    const parts = counts.map(({ name, shape, word, count }) => el("span", { class: `count is-${name}` }, `${shape} ${count} ${word}`));
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
