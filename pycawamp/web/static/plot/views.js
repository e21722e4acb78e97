/** Views of histories without copies, with the part of the interface of `History` that is used for drawing. */

/**
 * @typedef {object} Timeline
 * @property {unknown} revision while it is the same, samples have only been appended
 * @property {number} length
 * @property {(i: number) => number} time
 * @property {(i: number) => number} value
 * @property {(i: number) => number} severity
 * @property {(time: number) => number} indexOf the first index at or after a time
 */

/**
 * A view of lists as the gateway sends them.
 * @param {import("../client/types.js").History} lists
 * @returns {Timeline}
 */
export function timelineOf({ timestamps, values, severities }) {
  return {
    revision: timestamps,
    length: timestamps.length,
    time: (i) => timestamps[i],
    value: (i) => values[i],
    severity: (i) => severities[i],
    indexOf: (time) => firstAtOrAfter(timestamps.length, (i) => timestamps[i], time),
  };
}

/**
 * The samples of one before a time, then those of another, which may still be appended to.
 * @param {Timeline} older @param {Timeline} newer @param {number} seam
 * @returns {Timeline}
 */
export function joined(older, newer, seam) {
  const split = older.indexOf(seam);
  const skipped = newer.indexOf(seam);
  const of = (name) => (i) => (i < split ? older[name](i) : newer[name](i - split + skipped));
  const [length, time] = [() => split + newer.length - skipped, of("time")];
  return {
    revision: {},
    get length() {
      return length();
    },
    time,
    value: of("value"),
    severity: of("severity"),
    indexOf: (at) => firstAtOrAfter(length(), time, at),
  };
}

/**
 * The samples of `whole`, in which those between `from` and `seam` are replaced by the samples of `part`.
 * @param {Timeline} part @param {number} from the beginning of the part @param {Timeline} whole @param {number} seam
 * @returns {Timeline}
 */
export function inserted(part, from, whole, seam) {
  // Its first sample may be the value at its beginning.
  const start = part.length > 0 ? Math.min(from, part.time(0)) : from;
  return joined(joined(whole, part, start), whole, seam);
}

/**
 * Only the samples with a severity; others are gaps.
 * @param {Timeline} timeline @param {number} severity
 * @returns {Timeline}
 */
export function ofSeverity(timeline, severity) {
  return {
    revision: timeline.revision,
    length: timeline.length,
    time: (i) => timeline.time(i),
    value: (i) => (timeline.severity(i) === severity ? timeline.value(i) : NaN),
    severity: () => severity,
    indexOf: (time) => timeline.indexOf(time),
  };
}

/**
 * The severities in a range of time, including that of the value at its start.
 * @param {Timeline} timeline @param {[number, number]} range
 * @returns {Set<number>}
 */
export function severitiesIn(timeline, [from, to]) {
  const found = new Set();
  for (let i = Math.max(0, timeline.indexOf(from) - 1); i < timeline.length && timeline.time(i) <= to; i += 1) found.add(timeline.severity(i));
  return found;
}

function firstAtOrAfter(length, time, target) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(middle) < target) low = middle + 1;
    else high = middle;
  }
  return low;
}
