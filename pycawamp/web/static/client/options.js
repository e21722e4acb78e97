/** What a handle may ask of its subscription, and what several handles ask together. */

/**
 * From weak to strong: what a page can make of an array cheaply.
 * @type {CheckedOptions["arrays"][]}
 */
const ARRAYS = ["json", "base64", "binary"];
/** Updates per second: the finest rate that the gateway takes. */
const FINEST_RATE = 1000;
/** Seconds: the most history that a subscription begins with. */
const DAY = 86400;
const LEAST_POINTS = 12;
const MOST_POINTS = 8192;

/**
 * @typedef {import("./types.js").PVOptions} PVOptions
 * @typedef {Readonly<Required<PVOptions>>} CheckedOptions
 * @typedef {{metadata?: boolean, text?: boolean, max_rate?: number, arrays?: string, history?: number, points?: number}} WireOptions
 */

/**
 * @param {PVOptions} [options]
 * @returns {CheckedOptions}
 */
export function checked(options = {}) {
  const { metadata = false, text = false, maxRate = Infinity, arrays = "json", history = 0, points = MOST_POINTS } = options;
  if (!(maxRate > 0)) throw new RangeError("maxRate must be updates per second, above 0");
  if (!(history >= 0 && history <= DAY)) throw new RangeError(`history must be seconds, at most ${DAY}`);
  if (!(Number.isInteger(points) && points >= LEAST_POINTS && points <= MOST_POINTS)) throw new RangeError(`points must be a whole number from ${LEAST_POINTS} to ${MOST_POINTS}`);
  if (!ARRAYS.includes(arrays)) throw new RangeError(`arrays must be one of ${ARRAYS.join(", ")}`);
  return Object.freeze({ metadata: Boolean(metadata), text: Boolean(text), maxRate: Number(maxRate), arrays, history: Number(history), points });
}

/**
 * The strongest of what several handles ask: each of them gets at least its own.
 * @param {CheckedOptions[]} list
 * @returns {CheckedOptions}
 */
export function strongest(list) {
  return {
    metadata: list.some((options) => options.metadata),
    text: list.some((options) => options.text),
    maxRate: Math.max(...list.map((options) => options.maxRate)),
    arrays: ARRAYS[Math.max(...list.map((options) => ARRAYS.indexOf(options.arrays)))],
    history: Math.max(...list.map((options) => options.history)),
    points: Math.max(...list.filter((options) => options.history > 0).map((options) => options.points), LEAST_POINTS),
  };
}

/**
 * The keys a request carries: only what differs from the gateway's defaults.
 * @param {CheckedOptions} options
 * @returns {WireOptions}
 */
export function onWire({ metadata, text, maxRate, arrays, history, points }) {
  return {
    ...(metadata && { metadata }),
    ...(text && { text }),
    ...(maxRate !== Infinity && { max_rate: Math.min(maxRate, FINEST_RATE) }),
    ...(arrays !== "json" && { arrays }),
    ...(history > 0 && { history, ...(points < MOST_POINTS && { points }) }),
  };
}
