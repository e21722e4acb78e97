/** The part of an x axis that is shown: following the live end, or fixed. */
export class Viewport {
  #span;
  /** @type {[number, number] | null} */
  #fixed = null;
  #limits;
  #defaultSpan;

  /**
   * @param {() => [number, number]} limits all there is
   * @param {number} [span] how much of its end to show; none: everything
   * @param {number} [least] the closest zoom
   */
  constructor(limits, span = Infinity, least = 1e-3) {
    this.#limits = limits;
    this.#span = this.#defaultSpan = span;
    this.least = least;
  }

  /** Whether new data moves it. */
  get live() {
    return this.#fixed === null;
  }

  get zoomed() {
    return !this.live || this.#span !== this.#defaultSpan;
  }

  /** How much is shown; of a live strip that is still young: how much will be. */
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

  /** Shows this much of the live end. */
  follow(span = this.#defaultSpan) {
    this.#fixed = null;
    this.#span = span;
  }

  /** @param {number} factor below 1 zooms in; @param {number} at 0 … 1 across the plot */
  zoom(factor, at) {
    const [low, high] = this.range;
    const [least, most] = this.#limits();
    const span = Math.min(Math.max((high - low) * factor, this.least), most - least);
    // A live strip keeps its end at the current time.
    if (this.live && Number.isFinite(this.#span)) this.#span = span;
    else this.#fix(low + at * (high - low - span), span);
  }

  /** Moves by a part of what is shown. */
  pan(part) {
    const [low, high] = this.range;
    this.#fix(low + part * (high - low), high - low);
  }

  /** Shows what lies between two places, 0 … 1 across the plot. */
  select(one, other) {
    const [low, high] = this.range;
    const [from, to] = one < other ? [one, other] : [other, one];
    const start = low + from * (high - low);
    this.#fix(start, Math.max((to - from) * (high - low), this.least));
  }

  #fix(start, span) {
    const [least, most] = this.#limits();
    const from = Math.max(least, Math.min(start, most - span));
    if (span >= most - least) return this.follow();
    this.#fixed = [from, from + span];
  }
}
