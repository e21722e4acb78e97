/**
 * The last minutes of a number in fixed memory: a ring of (time, value). Time is cut into as many
 * slots as a third of the ring holds; a slot keeps its lowest, its highest and its last value, in
 * the order they came: no peak is lost however fast the updates are, and what holds after a burst
 * is right. Slower updates are all kept.
 */
export class History {
  #times;
  #values;
  #slot;
  #size = 0;
  #next = 0;
  #slotStart = -Infinity;
  #inSlot = 0;
  /** The last value of a full slot; an element after those of the ring. NaN: none. */
  #tailTime = 0;
  #tailValue = NaN;

  /** @param {{seconds?: number, capacity?: number}} [options] */
  constructor({ seconds = 600, capacity = 6144 } = {}) {
    this.capacity = capacity;
    this.seconds = seconds;
    this.#slot = (3 * seconds) / capacity;
    // Most PVs of a big table change slowly: memory is taken as it is needed, up to the capacity.
    this.#times = new Float64Array(Math.min(64, capacity));
    this.#values = new Float64Array(Math.min(64, capacity));
  }

  get length() {
    return this.#size + (Number.isNaN(this.#tailValue) ? 0 : 1);
  }

  get bytes() {
    return this.#times.byteLength + this.#values.byteLength;
  }

  time(i) {
    return i < this.#size ? this.#times[this.#index(i)] : this.#tailTime;
  }

  value(i) {
    return i < this.#size ? this.#values[this.#index(i)] : this.#tailValue;
  }

  /** @param {number} time seconds, never before the last one. NaN as value is a gap. */
  push(time, value) {
    const at = Math.max(time, this.length ? this.time(this.length - 1) : -Infinity);
    if (at - this.#slotStart >= this.#slot || Number.isNaN(value) || this.#afterGap()) this.#open(at);
    if (this.#inSlot < 2) this.#append(at, value);
    else this.#merge(at, value);
  }

  clear() {
    this.#size = this.#next = this.#inSlot = 0;
    this.#slotStart = -Infinity;
    this.#tailValue = NaN;
  }

  /** The first index at or after a time; `length` when there is none. */
  indexOf(time) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.time(middle) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A copy that later pushes do not touch: what a paused page shows. */
  clone() {
    const copy = new History({ seconds: this.seconds, capacity: this.capacity });
    for (let i = 0; i < this.length; i += 1) copy.#append(this.time(i), this.value(i));
    return copy;
  }

  #open(at) {
    if (!Number.isNaN(this.#tailValue)) this.#append(this.#tailTime, this.#tailValue);
    this.#tailValue = NaN;
    this.#slotStart = at;
    this.#inSlot = 0;
  }

  #afterGap() {
    return this.#size > 0 && Number.isNaN(this.value(this.length - 1));
  }

  #append(time, value) {
    this.#grow();
    this.#times[this.#next] = time;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#times.length;
    this.#size = Math.min(this.#size + 1, this.#times.length);
    this.#inSlot += 1;
  }

  /** The slot is full: its lowest and highest stay, and the last. */
  #merge(time, value) {
    const [first, second] = [this.#index(this.#size - 2), this.#index(this.#size - 1)];
    const [a, b] = [this.#values[first], this.#values[second]];
    const inside = value >= Math.min(a, b) && value <= Math.max(a, b);
    if (inside) return void ([this.#tailTime, this.#tailValue] = [time, value]);
    this.#tailValue = NaN;
    const rising = value > a && value > b;
    if (rising ? a > b : a < b) this.#replace(first, this.#times[second], b);
    this.#replace(second, time, value);
  }

  #replace(index, time, value) {
    this.#times[index] = time;
    this.#values[index] = value;
  }

  #index(i) {
    const start = this.#size < this.#times.length ? 0 : this.#next;
    return (start + i) % this.#times.length;
  }

  #grow() {
    const { length } = this.#times;
    if (this.#size < length || length >= this.capacity) return;
    const wider = (list) => {
      const copy = new Float64Array(Math.min(length * 2, this.capacity));
      for (let i = 0; i < this.#size; i += 1) copy[i] = list[this.#index(i)];
      return copy;
    };
    const values = wider(this.#values);
    this.#times = wider(this.#times);
    this.#values = values;
    this.#next = this.#size;
  }
}
