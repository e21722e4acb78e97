/** Alarms that were acknowledged in this browser. Nothing is written to an IOC. */
import { rank } from "./condition.js";

const KEY = "pycaserver-acknowledged";
/** Maximum number of PVs. The oldest are removed. */
const MAX_ENTRIES = 2000;

export class Acknowledged {
  /** @type {Map<string, string>} levels by the names of PVs */
  #levels = new Map();

  /** @param {() => void} changed called when another window changed the alarms */
  constructor(changed) {
    this.#levels = stored();
    window.addEventListener("storage", ({ key }) => {
      if (key !== KEY && key !== null) return;
      this.#levels = stored();
      changed();
    });
  }

  /** Whether an alarm is acknowledged: this one, or a worse one before. */
  has(name, level) {
    return rank(this.#levels.get(name) ?? "ok") >= rank(level);
  }

  /** @param {[string, string][]} alarms names and levels */
  add(alarms) {
    for (const [name, level] of alarms) {
      this.#levels.delete(name);
      this.#levels.set(name, level);
    }
    for (const name of this.#levels.keys()) {
      if (this.#levels.size <= MAX_ENTRIES) break;
      this.#levels.delete(name);
    }
    this.#store();
  }

  /** Removes a PV that is ok, since its next alarm is a new one. */
  drop(name) {
    if (this.#levels.delete(name)) this.#store();
  }

  #store() {
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#levels]));
    } catch {
      // Without storage, acknowledgements last until the page is closed.
    }
  }
}

/** @returns {Map<string, string>} */
function stored() {
  try {
    const pairs = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Map(pairs.filter((pair) => pair.length === 2 && pair.every((part) => typeof part === "string")));
  } catch {
    return new Map();
  }
}
