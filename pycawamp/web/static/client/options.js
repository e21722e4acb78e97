/** The options of handles, and the merged options of several handles. */

/**
 * In order of preference when merged: a later one can be converted to an earlier one.
 * @type {CheckedOptions["arrays"][]}
 */
const ARRAYS = ["json", "base64", "binary"];
/** @type {CheckedOptions["int64"][]} */
const INT64 = ["number", "string"];
/** Maximum updates per second that the gateway accepts as `max_rate`. */
const MAX_RATE = 1000;
/** Maximum seconds of history that a subscription begins with. */
const DAY = 86400;
const MIN_POINTS = 12;
const MAX_POINTS = 8192;

/**
 * @typedef {import("./types.js").PVOptions} PVOptions
 * @typedef {Readonly<Required<PVOptions>>} CheckedOptions
 * @typedef {{metadata?: boolean, text?: boolean, max_rate?: number, arrays?: string, history?: number, points?: number, alarm_message?: boolean,
 *   int64?: string, attributes?: boolean, image?: import("./types.js").ImageForm}} WireOptions
 */

/**
 * @param {PVOptions} [options]
 * @returns {CheckedOptions}
 */
export function checked(options = {}) {
  const { metadata = false, text = false, maxRate = Infinity, arrays = "json", history = 0, points = MAX_POINTS } = options;
  const { alarmMessage = false, int64 = "number", attributes = false, image = null } = options;
  if (!(maxRate > 0)) throw new RangeError("maxRate must be updates per second, above 0");
  if (!(history >= 0 && history <= DAY)) throw new RangeError(`history must be seconds, at most ${DAY}`);
  if (!(Number.isInteger(points) && points >= MIN_POINTS && points <= MAX_POINTS)) throw new RangeError(`points must be a whole number from ${MIN_POINTS} to ${MAX_POINTS}`);
  if (!ARRAYS.includes(arrays)) throw new RangeError(`arrays must be one of ${ARRAYS.join(", ")}`);
  if (!INT64.includes(int64)) throw new RangeError(`int64 is one of ${INT64.join(", ")}`);
  return Object.freeze({
    metadata: Boolean(metadata), text: Boolean(text), maxRate: Number(maxRate), arrays, history: Number(history), points,
    alarmMessage: Boolean(alarmMessage), int64, attributes: Boolean(attributes), image: imageForm(image),
  });
}

/**
 * @param {PVOptions["image"]} image
 * @returns {CheckedOptions["image"]}
 */
function imageForm(image) {
  if (!image) return null;
  const isWhole = (/** @type {unknown} */ value, /** @type {number} */ low, /** @type {number} */ high) => Number.isInteger(value) && Number(value) >= low && Number(value) <= high;
  const { jpeg, max } = image;
  if (!isWhole(jpeg, 1, 100)) throw new RangeError("image.jpeg is a quality from 1 to 100");
  if (max !== undefined && !isWhole(max, 16, 10000)) throw new RangeError("image.max is a number of pixels from 16 to 10000");
  return Object.freeze({ jpeg, ...(max !== undefined && { max }) });
}

/**
 * Merges the options of several handles, so that each of them gets at least what it requested.
 * @param {CheckedOptions[]} list
 * @returns {CheckedOptions}
 */
export function strongest(list) {
  const isLong = list.some(({ int64 }) => int64 === "string");
  return {
    // Handles that requested numbers need the type to convert the digits.
    metadata: list.some((options) => options.metadata) || (isLong && list.some(({ int64 }) => int64 === "number")),
    text: list.some((options) => options.text),
    maxRate: Math.max(...list.map((options) => options.maxRate)),
    arrays: ARRAYS[Math.max(...list.map((options) => ARRAYS.indexOf(options.arrays)))],
    history: Math.max(...list.map((options) => options.history)),
    points: Math.max(...list.filter((options) => options.history > 0).map((options) => options.points), MIN_POINTS),
    alarmMessage: list.some((options) => options.alarmMessage),
    int64: isLong ? "string" : "number",
    attributes: list.some((options) => options.attributes),
    image: finest(list.map((options) => options.image)),
  };
}

/**
 * The best quality of these images; uncompressed if a handle requests that.
 * @param {CheckedOptions["image"][]} forms
 * @returns {CheckedOptions["image"]}
 */
function finest(forms) {
  const known = forms.filter((form) => form !== null);
  if (known.length < forms.length) return null;
  const sizes = known.map(({ max }) => max ?? Infinity);
  const max = Math.max(...sizes);
  return { jpeg: Math.max(...known.map(({ jpeg }) => jpeg)), ...(max < Infinity && { max }) };
}

/**
 * The keys of a request: those that differ from the gateway's defaults.
 * @param {CheckedOptions} options
 * @returns {WireOptions}
 */
export function onWire({ metadata, text, maxRate, arrays, history, points, alarmMessage, int64, attributes, image }) {
  return {
    ...(metadata && { metadata }),
    ...(text && { text }),
    ...(maxRate !== Infinity && { max_rate: Math.min(maxRate, MAX_RATE) }),
    ...(arrays !== "json" && { arrays }),
    ...(history > 0 && { history, ...(points < MAX_POINTS && { points }) }),
    ...(alarmMessage && { alarm_message: true }),
    ...(int64 !== "number" && { int64 }),
    ...(attributes && { attributes }),
    ...(image && { image }),
  };
}
