/** The axis of values: linear or logarithmic, following what is in sight or fixed. */
import { logBottom, logTicks, numberTicks, ticks } from "./ticks.js";
import { padded } from "./traces.js";

/**
 * @typedef {object} Axis
 * @property {[number, number]} range
 * @property {(value: number) => number} part where a value lies, 0 at the bottom … 1
 * @property {{at: number, label: string}[]} ticks
 */

/**
 * @param {{log: boolean, range: [number, number] | null}} how range: null to follow what is in sight
 * @param {(above: number) => [number, number]} extent lowest and highest value in sight of those above some
 * @param {number} wanted about how many ticks
 * @param {readonly string[]} [labels] of an enum
 * @returns {Axis}
 */
export function axisFor({ log, range }, extent, wanted, labels) {
  if (log && !labels) return logAxis(range, extent(0), wanted);
  const [low, high] = range ?? padded(extent(-Infinity));
  const marks = labels
    ? ticks(low, high, wanted).filter(Number.isInteger).map((at) => ({ at, label: labels[at] ?? String(at) }))
    : numberTicks(low, high, wanted);
  return { range: [low, high], part: (value) => (value - low) / (high - low), ticks: marks };
}

/** @returns {Axis} */
function logAxis(range, seen, wanted) {
  const [least, most] = range && range[1] > 0 ? range : seen[0] > seen[1] ? [1, 10] : [seen[0] / 1.2, seen[1] * 1.2];
  const low = logBottom(least, most);
  const [bottom, top] = [Math.log10(low), Math.log10(most)];
  // What has no logarithm lies below the axis.
  const part = (value) => (value > 0 ? (Math.log10(value) - bottom) / (top - bottom) : -1);
  return { range: [low, most], part, ticks: logTicks(low, most, wanted) };
}
