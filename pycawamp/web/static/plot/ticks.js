/** Round numbers for axes. */

const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** @returns {number[]} round values from low to high, at most about `wanted` */
export function ticks(low, high, wanted) {
  const step = roundStep((high - low) / Math.max(1, wanted));
  if (!(step > 0) || !Number.isFinite(step)) return [];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.min(last - first + 1, 100) }, (_, i) => (first + i) * step);
}

/** How many decimals tell ticks apart. */
export function decimalsFor(low, high, wanted) {
  const step = roundStep((high - low) / Math.max(1, wanted));
  return step > 0 ? Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9))) : 0;
}

/** Times on round seconds and minutes of the wall clock. */
export function timeTicks(from, to, wanted) {
  const least = (to - from) / Math.max(1, wanted);
  if (least < 0.5) return ticks(from, to, wanted);
  const step = TIME_STEPS.find((each) => each >= least) ?? TIME_STEPS.at(-1);
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}

function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = raw / power;
  return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
}
