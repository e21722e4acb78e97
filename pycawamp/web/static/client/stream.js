/**
 * Values as an async iterator. For a slow reader, at most `size` values are kept, the newest ones.
 *
 * @template T
 * @implements {AsyncIterableIterator<T>}
 */
export class Stream {
  /** @type {T[]} */
  #queue = [];
  #size;
  /** @type {{resolve: (result: IteratorResult<T>) => void, reject: (error: unknown) => void}[]} */
  #waiting = [];
  #ended = false;
  /** @type {unknown} */
  #failure = null;
  #onEnd;

  constructor({ size = 1, onEnd = () => {} } = {}) {
    if (!(Number.isSafeInteger(size) && size > 0)) throw new RangeError("buffer must be a whole number above 0");
    this.#size = size;
    this.#onEnd = onEnd;
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @param {T} value */
  push(value) {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader) return reader.resolve({ value, done: false });
    this.#queue.push(value);
    if (this.#queue.length > this.#size) this.#queue.shift();
  }

  /** @param {unknown} error */
  fail(error) {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader) reader.reject(error);
    else this.#failure = error;
    this.end();
  }

  end() {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    for (const reader of this.#waiting.splice(0)) reader.resolve({ value: undefined, done: true });
  }

  /** @returns {Promise<IteratorResult<T>>} */
  next() {
    if (this.#queue.length > 0) return Promise.resolve({ value: /** @type {T} */ (this.#queue.shift()), done: false });
    if (this.#failure) return Promise.reject(this.#takeFailure());
    if (this.#ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** @returns {Promise<IteratorResult<T>>} */
  return() {
    this.#queue.length = 0;
    this.#failure = null;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  #takeFailure() {
    const failure = this.#failure;
    this.#failure = null;
    return failure;
  }
}
