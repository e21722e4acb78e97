/**
 * Limits values to `rate` per second, without losing the newest. Used by handles whose PV has another handle
 * with a higher rate.
 *
 * @template T
 */
export class Throttle {
  #deliver;
  #env;
  #interval = 0;
  #last = -Infinity;
  /** @type {unknown} */
  #timer = null;
  /** @type {T | undefined} */
  #newest;

  /**
   * @param {(value: T) => void} deliver
   * @param {import("./environment.js").Environment} env
   */
  constructor(deliver, env) {
    this.#deliver = deliver;
    this.#env = env;
  }

  /** @param {number} rate per second; Infinity for no limit */
  set rate(rate) {
    this.#interval = 1000 / rate;
  }

  /** @param {T} value */
  push(value) {
    this.#newest = value;
    if (this.#timer !== null) return;
    // If the clock was set back, values must not be delayed for longer than one interval.
    const since = Math.max(0, this.#env.now() - this.#last);
    if (since >= this.#interval) this.#pass();
    else this.#timer = this.#env.setTimeout(() => this.#pass(), this.#interval - since);
  }

  /** Delivers a delayed value immediately. */
  flush() {
    if (this.#timer !== null) this.#pass();
    this.#last = -Infinity;
  }

  stop() {
    this.#env.clearTimeout(this.#timer);
    this.#timer = null;
    this.#newest = undefined;
  }

  #pass() {
    const value = /** @type {T} */ (this.#newest);
    this.stop();
    this.#last = this.#env.now();
    this.#deliver(value);
  }
}
