/** Which PVs of the table are in alarm, since when, and what has changed. */
import { formattedText } from "../view/format.js";
import { neverProcessed } from "../view/time.js";
import { conditionOf, rank } from "./condition.js";

/** Number of changes that are kept; the log has up to twice as many. */
const MAX_CHANGES = 1000;
/** Maximum length of a value in the log and in the list. */
const MAX_CHARACTERS = 80;

/**
 * @typedef {object} State
 * @property {import("./watch.js").Watch} watch
 * @property {import("./condition.js").Condition} condition
 * @property {number} since seconds since 1970
 * @property {boolean} isOlder whether it may have begun before `since`, while the page did not receive updates
 * @property {string | undefined} severity of the update, for quick comparison
 * @property {string | undefined} status
 *
 * @typedef {object} Change
 * @property {number} time seconds since 1970
 * @property {string} name
 * @property {import("./condition.js").Condition} condition
 * @property {string} value
 */

export class Alarms {
  /** @type {Change[]} the newest last */
  changes = [];
  /** @type {Map<string, State>} by the names of PVs */
  #states = new Map();
  #now;
  #changed;

  /**
   * @param {() => number} now seconds since 1970
   * @param {(name: string, condition: import("./condition.js").Condition, before: string) => void} changed
   *   the condition of a PV has changed; `before` is its previous level
   */
  constructor(now, changed) {
    this.#now = now;
    this.#changed = changed;
  }

  /** @returns {State[]} states of the PVs that are not ok: the worst first, then the newest */
  get active() {
    const found = [...this.#states.values()].filter(({ condition }) => condition.level !== "ok");
    return found.sort((a, b) => rank(b.condition.level) - rank(a.condition.level) || b.since - a.since);
  }

  /** The number of PVs that are not ok. */
  get count() {
    let count = 0;
    for (const { condition } of this.#states.values()) count += Number(condition.level !== "ok");
    return count;
  }

  /** @returns {State | undefined} the state of a PV with the worst alarm, if there is an alarm */
  get worst() {
    let worst;
    for (const state of this.#states.values()) if (rank(state.condition.level) > rank(worst?.condition.level ?? "ok")) worst = state;
    return worst;
  }

  /** @param {string} name @returns {string} the level of a PV; `"ok"` if nothing is known */
  level(name) {
    return this.#states.get(name)?.condition.level ?? "ok";
  }

  /** Handles an update or a change of the connection. It is called for each, so it must be fast. */
  note(watch) {
    const { pv, name } = watch;
    const state = this.#states.get(name);
    const { last } = pv;
    if (state && pv.connected && last && state.severity === last.severity && state.status === last.status) return;
    const condition = conditionOf(watch);
    if (!condition || condition.text === state?.condition.text) return;
    // For the first value of a connection, it is unknown when this state began.
    const isOlder = pv.connected && (!state || state.condition.level === "disconnected");
    const since = pv.connected && !neverProcessed(last.timestamp) ? last.timestamp : this.#now();
    this.#states.set(name, {
      watch, condition, since, isOlder,
      severity: pv.connected ? last.severity : undefined, status: pv.connected ? last.status : undefined,
    });
    if (state || condition.level !== "ok") this.#log({ time: since, name, condition, value: pv.connected ? shownValue(watch) : "" });
    this.#changed(name, condition, state?.condition.level ?? "ok");
  }

  /** Forgets a PV that is no longer in the table. */
  forget(name) {
    this.#states.delete(name);
  }

  #log(change) {
    this.changes.push(change);
    if (this.changes.length > 2 * MAX_CHANGES) this.changes.splice(0, this.changes.length - MAX_CHANGES);
  }
}

/** The newest value of a PV as text, whether the page is paused or not. */
export function shownValue({ pv, metadata, format }) {
  return pv.last ? clipped(formattedText(pv.last, metadata, format)) : "";
}

function clipped(text) {
  return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text;
}
