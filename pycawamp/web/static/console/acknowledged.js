/** Alarms that were acknowledged in this browser. Nothing is written to an IOC. */
import { rank } from "./condition.js";

const KEY = "pycaserver-acknowledged";
/** PVs that are kept; the oldest are forgotten. */
const MOST = 2000;

export class Acknowledged {
  /** @type {Map<string, string>} levels by the names of PVs */
  #levels = new Map();

  /** @param {() => void} changed in another window */
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
      if (this.#levels.size <= MOST) break;
      this.#levels.delete(name);
    }
    this.#store();
  }

  /** A PV is ok: its next alarm is a new one. */
  drop(name) {
    if (this.#levels.delete(name)) this.#store();
  }

  #store() {
    try {
      localStorage.setItem(KEY, JSON.stringify([...this.#levels]));
    } catch {
      // Without storage, it is kept until the page is closed.
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
