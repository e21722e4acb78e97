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
 * @param {{log: boolean, range: [number, number] | null}} how range: null to follow what is in sight
 * @param {(above: number) => [number, number]} extent lowest and highest value in sight of those above some
 * @param {number} wanted about how many ticks
 * @param {readonly string[]} [labels] of an enum
 * @returns {Axis}
 */
export function axisFor({ log, range }, extent, wanted, labels) {
  if (log && !labels) return logAxis(range, extent(0), wanted);
  const [low, high] = range ?? steady(padded(extent(-Infinity)));
  const marks = labels
    ? ticks(low, high, wanted).filter(Number.isInteger).map((at) => ({ at, label: labels[at] ?? String(at) }))
    : numberTicks(low, high, wanted);
  return { range: [low, high], part: (value) => (value - low) / (high - low), ticks: marks };
}

/** @returns {Axis} */
function logAxis(range, seen, wanted) {
  const [least, most] = range && range[1] > 0 ? range : seen[0] > seen[1] ? [1, 10] : steadyLog([seen[0] / 1.2, seen[1] * 1.2]);
  const low = logBottom(least, most);
  const [bottom, top] = [Math.log10(low), Math.log10(most)];
  // Values without a logarithm are below the axis.
  const part = (value) => (value > 0 ? (Math.log10(value) - bottom) / (top - bottom) : -1);
  return { range: [low, most], part, ticks: logTicks(low, most, wanted) };
}

/** @returns {[number, number]} a little wider, on round numbers */
function steady([low, high]) {
  const step = roundStep((high - low) / STEPS);
  const wider = /** @type {[number, number]} */ ([Math.floor(low / step) * step, Math.ceil(high / step) * step]);
  // Of the largest numbers it has no end, and of the closest none between.
  return wider.every(Number.isFinite) && wider[0] < wider[1] ? wider : [low, high];
}

/** @returns {[number, number]} */
function steadyLog([low, high]) {
  const at = (decades) => 10 ** (decades / LOG_STEPS);
  return [at(Math.floor(Math.log10(low) * LOG_STEPS)), Math.min(Number.MAX_VALUE, at(Math.ceil(Math.log10(high) * LOG_STEPS)))];
}
