/** The axis of values: linear or logarithmic, with an automatic or a fixed range. */
import { logBottom, logTicks, numberTicks, roundStep, ticks } from "./ticks.js";
import { padded } from "./traces.js";

/** An automatic range changes in steps of its length divided by this number, so that not every value moves all traces. */
const STEPS = 30;
/** The same for a logarithmic axis, per decade. */
const LOG_STEPS = 10;

/**
 * @typedef {object} Axis
 * @property {[number, number]} range
 * @property {(value: number) => number} part where a value lies, 0 at the bottom … 1
 * @property {{at: number, label: string}[]} ticks
 */

/**
 * @param {{log: boolean, range: [number, number] | null}} how range: null for an automatic range
 * @param {(above: number) => [number, number]} extent lowest and highest visible value above a number
 * @param {number} target approximate number of ticks
 * @param {readonly string[]} [labels] of an enum
 * @returns {Axis}
 */
export function axisFor({ log, range }, extent, target, labels) {
  if (log && !labels) return logAxis(range, extent(0), target);
  const [low, high] = range ?? steady(padded(extent(-Infinity)));
  const marks = labels
    ? ticks(low, high, target).filter(Number.isInteger).map((at) => ({ at, label: labels[at] ?? String(at) }))
    : numberTicks(low, high, target);
  return { range: [low, high], part: (value) => (value - low) / (high - low), ticks: marks };
}

/** @returns {Axis} */
function logAxis(range, extent, target) {
  const [lowest, highest] = range && range[1] > 0 ? range : extent[0] > extent[1] ? [1, 10] : steadyLog([extent[0] / 1.2, extent[1] * 1.2]);
  const low = logBottom(lowest, highest);
  const [bottom, top] = [Math.log10(low), Math.log10(highest)];
  // Values without a logarithm are below the axis.
  const part = (value) => (value > 0 ? (Math.log10(value) - bottom) / (top - bottom) : -1);
  return { range: [low, highest], part, ticks: logTicks(low, highest, target) };
}

/** @returns {[number, number]} a slightly wider range with round ends */
function steady([low, high]) {
  const step = roundStep((high - low) / STEPS);
  const wider = /** @type {[number, number]} */ ([Math.floor(low / step) * step, Math.ceil(high / step) * step]);
  // It would be infinite for the largest numbers, and empty for neighbouring ones.
  return wider.every(Number.isFinite) && wider[0] < wider[1] ? wider : [low, high];
}

/** @returns {[number, number]} */
function steadyLog([low, high]) {
  const at = (decades) => 10 ** (decades / LOG_STEPS);
  return [at(Math.floor(Math.log10(low) * LOG_STEPS)), Math.min(Number.MAX_VALUE, at(Math.ceil(Math.log10(high) * LOG_STEPS)))];
}
