/** The part of an x axis that is shown: following the live end, or fixed. */
export class Viewport {
  #span;
  /** @type {[number, number] | null} */
  #fixed = null;
  #limits;
  #defaultSpan;

  /**
   * @param {() => [number, number]} limits the whole range
   * @param {number} [span] the length of its end that is shown; none: everything
   * @param {number} [minSpan] the smallest span
   */
  constructor(limits, span = Infinity, minSpan = 1e-3) {
    this.#limits = limits;
    this.#span = this.#defaultSpan = span;
    this.minSpan = minSpan;
  }

  /** Whether new data moves it. */
  get live() {
    return this.#fixed === null;
  }

  get zoomed() {
    return !this.live || this.#span !== this.#defaultSpan;
  }

  /** The length of the range; for a live strip chart with few samples, its final length. */
  get span() {
    const [low, high] = this.range;
    return this.live ? this.#span : high - low;
  }

  /** @returns {[number, number]} */
  get range() {
    if (this.#fixed) return this.#fixed;
    const [low, high] = this.#limits();
    return [Math.max(low, high - this.#span), high];
  }

  /** Shows the live end with this span. */
  follow(span = this.#defaultSpan) {
    this.#fixed = null;
    this.#span = span;
  }

  /** @param {number} factor below 1 zooms in; @param {number} at 0 … 1 across the plot */
  zoom(factor, at) {
    const [low, high] = this.range;
    const [min, max] = this.#limits();
    const span = Math.min(Math.max((high - low) * factor, this.minSpan), max - min);
    // The end of a live strip chart stays at the current time.
    if (this.live && Number.isFinite(this.#span)) this.#span = span;
    else this.#fix(low + at * (high - low - span), span);
  }

  /** Moves the range by a part of its length. */
  pan(part) {
    const [low, high] = this.range;
    this.#fix(low + part * (high - low), high - low);
  }

  /** Shows the range between two positions, 0 … 1 across the plot. */
  select(one, other) {
    const [low, high] = this.range;
    const [from, to] = one < other ? [one, other] : [other, one];
    const start = low + from * (high - low);
    this.#fix(start, Math.max((to - from) * (high - low), this.minSpan));
  }

  #fix(start, span) {
    const [min, max] = this.#limits();
    const from = Math.max(min, Math.min(start, max - span));
    if (span >= max - min) return this.follow();
    this.#fixed = [from, from + span];
  }
}
