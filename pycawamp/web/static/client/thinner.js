/**
 * Lets through at most `rate` values a second, always ending with the newest. A handle needs one
 * when another handle of the same PV made the gateway send faster than it asked for itself.
 *
 * @template T
 */
export class Thinner {
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

  /** @param {number} rate per second; Infinity lets everything through */
  set rate(rate) {
    this.#interval = 1000 / rate;
  }

  /** @param {T} value */
  push(value) {
    this.#newest = value;
    if (this.#timer !== null) return;
    // A clock that was set back must not hold values up for longer than one interval.
    const since = Math.max(0, this.#env.now() - this.#last);
    if (since >= this.#interval) this.#pass();
    else this.#timer = this.#env.setTimeout(() => this.#pass(), this.#interval - since);
  }

  /** What was held up is the last there is: it goes at once. */
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
