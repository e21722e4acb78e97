/** Round numbers for axes. */

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 15552000, 31536000, 63072000, 157680000];
/** Numbers from LARGE on, and steps below SMALL_STEP, are shown with an exponent. */
const LARGE = 1e6;
const SMALL_STEP = 1e-5;
/** Maximum number of decades that a log axis shows. */
const MAX_DECADES = 12;

/** @returns {number[]} round values from low to high, at most about `target` */
export function ticks(low, high, target) {
  const step = roundStep((high - low) / Math.max(1, target));
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.min(last - first + 1, 100) }, (_, i) => (first + i) * step);
}

/** The number of decimals that distinguish ticks. */
export function decimalsFor(low, high, target) {
  const step = roundStep((high - low) / Math.max(1, target));
  return step > 0 ? Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) : 0;
}

/** @returns {{at: number, label: string}[]} ticks of a linear axis, with exponents where numbers are large or close together */
export function numberTicks(low, high, target) {
  const list = ticks(low, high, target);
  const step = list[1] - list[0];
  const largest = Math.max(...list.map(Math.abs));
  const isPlain = list.length < 2 || (largest < LARGE && step >= SMALL_STEP);
  const digits = isPlain ? decimalsFor(low, high, target) : Math.round(Math.min(15, Math.max(0, exponentOf(largest) - exponentOf(step))));
  return list.map((at) => ({ at, label: isPlain ? at.toFixed(digits) : exponential(at, largest, digits) }));
}

/** @returns {{at: number, label: string}[]} ticks of a log axis from low to high, both above 0 */
export function logTicks(low, high, target) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / Math.max(1, target)));
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const list = [];
  for (let power = first; power <= last; power += every) for (const factor of factors) list.push(Number(`${factor}e${power}`));
  return list.filter((at) => at >= low && at <= high).map((at) => ({ at, label: at >= 1e-3 && at < LARGE ? String(at) : at.toExponential().replace("+", "") }));
}

/** The lower end of a log axis. */
export function logBottom(low, high) {
  return Math.max(low, high / 10 ** MAX_DECADES);
}

/** Times on round seconds, minutes, hours and days of a clock that is ahead of UTC by `offset` (s). */
export function timeTicks(from, to, target, offset = 0) {
  const minimum = (to - from) / Math.max(1, target);
  if (minimum < 0.5) return ticks(from, to, target);
  const step = TIME_STEPS.find((each) => each >= minimum) ?? TIME_STEPS[TIME_STEPS.length - 1];
  const first = Math.ceil((from + offset) / step);
  const count = Math.floor((to + offset) / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step - offset);
}

function exponentOf(value) {
  return Math.floor(Math.log10(value) + 1e-9);
}

/** A label with an exponent. All labels have the same decimals relative to the largest one. */
function exponential(at, largest, digits) {
  if (Math.abs(at) < largest * 1e-12) return "0";
  const fewer = Math.max(0, digits - (exponentOf(largest) - exponentOf(Math.abs(at))));
  return at.toExponential(fewer).replace("+", "");
}

/** The next of 1, 2, 5, 10 … */
export function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = raw / power;
  return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}
