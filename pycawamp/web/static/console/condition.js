/** The condition of a PV: its alarm, or that it is disconnected. */
import { alarmOf } from "../view/alarm.js";

/** Levels, the worst first, as in the summary. */
export const LEVELS = ["invalid", "major", "minor", "disconnected"];
const NOT_FOUND = { level: "disconnected", shape: "◌", word: "NOT FOUND", text: "NOT FOUND" };
const LOST = { level: "disconnected", shape: "⊘", word: "DISCONNECTED", text: "DISCONNECTED" };

/**
 * @typedef {object} Condition
 * @property {string} level one of LEVELS, or `"ok"`
 * @property {string} shape
 * @property {string} word such as `MAJOR`
 * @property {string} text such as `MAJOR HIHI`
 */

/** @param {string} level @returns {number} 0 if ok; higher numbers are worse */
export function rank(level) {
  const place = LEVELS.indexOf(level);
  return place < 0 ? 0 : LEVELS.length - place;
}

/**
 * The current condition of a PV, even while the page is paused. Null if it is unknown: before the
 * first answer, between a connection and its value, and while the gateway is unreachable.
 *
 * @param {import("./watch.js").Watch} watch
 * @returns {Condition | null}
 */
export function conditionOf({ pv, met, error }) {
  if (pv.state === "connected") return pv.last && alarm(pv.last);
  if (pv.state !== "disconnected" || error) return null;
  return met ? LOST : NOT_FOUND;
}

function alarm(update) {
  const { name, shape, badge } = alarmOf(update);
  return { level: name, shape, word: badge, text: name === "ok" || !update.status ? badge : `${badge} ${update.status}` };
}
