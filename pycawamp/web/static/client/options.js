/** What a handle may ask of its subscription, and what several handles ask together. */

/**
 * From weak to strong: what a page can make of an array cheaply.
 * @type {CheckedOptions["arrays"][]}
 */
const ARRAYS = ["json", "base64", "binary"];
/** Updates per second: the finest rate that the gateway takes. */
const FINEST_RATE = 1000;

/**
 * @typedef {import("./types.js").PVOptions} PVOptions
 * @typedef {Readonly<Required<PVOptions>>} CheckedOptions
 * @typedef {{metadata?: boolean, text?: boolean, max_rate?: number, arrays?: string}} WireOptions
 */

/**
 * @param {PVOptions} [options]
 * @returns {CheckedOptions}
 */
export function checked(options = {}) {
  const { metadata = false, text = false, maxRate = Infinity, arrays = "json" } = options;
  if (!(maxRate > 0)) throw new RangeError("maxRate is updates per second, above 0");
  if (!ARRAYS.includes(arrays)) throw new RangeError(`arrays is one of ${ARRAYS.join(", ")}`);
  return Object.freeze({ metadata: Boolean(metadata), text: Boolean(text), maxRate: Number(maxRate), arrays });
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
  };
}

/**
 * The keys a request carries: only what differs from the gateway's defaults.
 * @param {CheckedOptions} options
 * @returns {WireOptions}
 */
export function onWire({ metadata, text, maxRate, arrays }) {
  return {
    ...(metadata && { metadata }),
    ...(text && { text }),
    ...(maxRate !== Infinity && { max_rate: Math.min(maxRate, FINEST_RATE) }),
    ...(arrays !== "json" && { arrays }),
  };
}
