/**
 * The last minutes of a number in bounded memory. All samples are kept until it is full. Then the
 * older ones are thinned: time is divided into slots, and of each slot the lowest, the highest and
 * the last value are kept, in their order. So peaks are kept regardless of the update rate.
 */

/** The number of slots, as a part of the capacity. A slot keeps at most 4 samples. */
const SLOTS = 1 / 8;
/** The part of the capacity for the newest samples, which are never thinned. */
const NEWEST = 1 / 4;

export class History {
  #times;
  #values;
  #severities;
  #size = 0;
  #revision = {};
  #since = -Infinity;

  /** @param {{seconds?: number, capacity?: number}} [options] */
  constructor({ seconds = 600, capacity = 6144 } = {}) {
    this.capacity = capacity;
    this.seconds = seconds;
    // Most PVs of a large table change slowly, so memory is allocated when it is needed, up to the capacity.
    this.#times = new Float64Array(Math.min(64, capacity));
    this.#values = new Float64Array(Math.min(64, capacity));
    this.#severities = new Uint8Array(Math.min(64, capacity));
  }

  get length() {
    return this.#size;
  }

  /** While this is the same object, samples have only been appended. */
  get revision() {
    return this.#revision;
  }

  /** The time of the oldest sample if older ones were dropped, otherwise -Infinity. */
  get since() {
    return this.#since;
  }

  /** Whether it ends with a gap. */
  get hasGap() {
    return this.#size > 0 && Number.isNaN(this.#values[this.#size - 1]);
  }

  get bytes() {
    return this.#times.byteLength + this.#values.byteLength + this.#severities.byteLength;
  }

  time(i) {
    return this.#times[i];
  }

  value(i) {
    return this.#values[i];
  }

  /** The alarm severity, 0 … 3. */
  severity(i) {
    return this.#severities[i];
  }

  /**
   * @param {number} time seconds; the last sample's time if that is later
   * @param {number} value NaN for a gap. A second NaN is the end of the gap, unless a sample within it follows.
   * @param {number} [severity]
   */
  push(time, value, severity = 0) {
    const end = this.#size - 1;
    if (time < this.#times[end] && time > this.#times[end - 1] && Number.isNaN(this.#values[end]) && Number.isNaN(this.#values[end - 1])) this.#cut(end);
    if (this.#size === this.#times.length) this.#makeRoom(time);
    this.#times[this.#size] = this.#size ? Math.max(time, this.#times[this.#size - 1]) : time;
    this.#values[this.#size] = value;
    this.#severities[this.#size] = severity;
    this.#size += 1;
  }

  /**
   * Adds missed samples: those later than the last one, and those within gaps. A gap at the end, where the connection was
   * lost, is removed if the samples begin before it.
   *
   * @param {import("../client/types.js").History} past
   * @param {number} now samples after this time are not plausible
   * @returns {boolean} whether all times are plausible
   */
  catchUp({ timestamps, values, severities }, now) {
    const end = this.#lastNumber();
    const last = end < 0 ? -Infinity : this.#times[end];
    if (timestamps.length > 0 && timestamps[0] <= last) this.#cut(end + 1);
    for (let i = 0; i < timestamps.length; i += 1) {
      if (timestamps[i] > last && timestamps[i] <= now) this.push(timestamps[i], values[i], severities[i]);
    }
    return timestamps.length === 0 || timestamps[timestamps.length - 1] <= now;
  }

  /** Removes samples from a time on. */
  forget(time) {
    this.#cut(this.indexOf(time));
  }

  /** The first index at or after a time; `length` when there is none. */
  indexOf(time) {
    let [low, high] = [0, this.#size];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Returns a copy for a paused page. */
  clone() {
    const copy = new History({ seconds: this.seconds, capacity: this.capacity });
    copy.#times = this.#times.slice();
    copy.#values = this.#values.slice();
    copy.#severities = this.#severities.slice();
    copy.#size = this.#size;
    copy.#since = this.#since;
    return copy;
  }

  /** The index of the last sample that is not a gap; -1: there is none. */
  #lastNumber() {
    for (let i = this.#size - 1; i >= 0; i -= 1) if (!Number.isNaN(this.#values[i])) return i;
    return -1;
  }

  #makeRoom(now) {
    if (this.#size < this.capacity) return this.#grow();
    // The last sample before the kept range is the value at its start.
    const first = Math.max(0, this.indexOf(now - this.seconds) - 1);
    if (first > 0) this.#since = this.#times[first];
    this.#keep(first, 0, this.#size);
    if (this.#size > this.capacity * (1 - NEWEST)) this.#thin();
  }

  #grow() {
    const length = Math.min(this.#times.length * 2, this.capacity);
    const wider = (list) => {
      const copy = new list.constructor(length);
      copy.set(list);
      return copy;
    };
    this.#times = wider(this.#times);
    this.#values = wider(this.#values);
    this.#severities = wider(this.#severities);
  }

  #cut(size) {
    this.#size = size;
    this.#revision = {};
  }

  #keep(from, to, end) {
    this.#times.copyWithin(to, from, end);
    this.#values.copyWithin(to, from, end);
    this.#severities.copyWithin(to, from, end);
    this.#cut(to + end - from);
  }

  #thin() {
    const slot = this.seconds / (this.capacity * SLOTS);
    const newest = this.#size - Math.floor(this.capacity * NEWEST);
    const slotOf = (i) => Math.floor(this.#times[i] / slot);
    let kept = 0;
    for (let start = 0, end = 0; start < newest; start = end) {
      while (end < newest && slotOf(end) === slotOf(start)) end += 1;
      for (const i of this.#worth(start, end)) {
        this.#times[kept] = this.#times[i];
        this.#values[kept] = this.#values[i];
        this.#severities[kept] = this.#severities[i];
        kept += 1;
      }
    }
    this.#keep(newest, kept, this.#size);
  }

  /** The samples of a slot that are kept: its lowest and highest, its first gap and its last. */
  #worth(start, end) {
    let [low, high, gap] = [end - 1, end - 1, end - 1];
    for (let i = end - 1; i >= start; i -= 1) {
      const value = this.#values[i];
      if (Number.isNaN(value)) gap = i;
      else {
        if (!(this.#values[low] <= value)) low = i;
        if (!(this.#values[high] >= value)) high = i;
      }
    }
    return [...new Set([low, high, gap, end - 1])].sort((a, b) => a - b);
  }
}
