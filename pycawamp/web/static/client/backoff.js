/**
 * How long to wait before each attempt to reconnect: exponential with full jitter, so that the
 * pages of a whole control room do not come back in step when a gateway restarts. A connection
 * takes a gateway some 2.5 ms, with the rest after it: of 2,000 pages that try within the first
 * second, the last waits for some 5 s, half of what an attempt may take.
 */
export class Backoff {
  #attempt = 0;
  #base;
  #cap;
  #random;

  constructor({ base = 1000, cap = 30000, random = Math.random } = {}) {
    this.#base = base;
    this.#cap = cap;
    this.#random = random;
  }

  /** Attempts made since the last reset. */
  get attempt() {
    return this.#attempt;
  }

  /** Milliseconds until the next attempt. */
  next() {
    const ceiling = Math.min(this.#cap, this.#base * 2 ** this.#attempt);
    this.#attempt += 1;
    return this.#random() * ceiling;
  }

  reset() {
    this.#attempt = 0;
  }
}
