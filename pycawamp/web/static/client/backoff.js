/**
 * Delays before attempts to reconnect: exponential with full jitter, so that the pages of a control
 * room do not all reconnect at once when a gateway restarts. A gateway needs some 2.5 ms for a
 * connection: if 2,000 pages connect within the first second, the last one waits for some 5 s, half
 * of the timeout of an attempt.
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
