/** Samples from before the page was opened, requested from the gateway and its archiver as charts show them. */
import { History } from "../plot/history.js";
import { withStamps } from "../plot/stamps.js";
import { inserted } from "../plot/views.js";

/** Maximum number of samples of a request: more than a chart has columns. */
const POINTS = 3000;
/** Milliseconds for which a view must be unchanged before its samples are requested. */
const SETTLE = 250;
/** If a view shows less than this part of thinned samples, they are requested again. */
const CLOSE = 1 / 4;
/** Milliseconds after a failure before the next request. */
const RETRY = 10000;
/** After this time (ms), a note says that samples are loading. */
const SLOW = 500;

export class Past {
  /** Whether older samples may be available. */
  available = false;
  #pv;
  #now;
  #loaded;
  /** @type {{from: number, to: number, timeline: import("../plot/views.js").Timeline, thinned: boolean} | null} */
  #block = null;
  /** The parts that were joined last, and the result. */
  #joined = { parts: /** @type {unknown[]} */ ([]), timeline: /** @type {import("../plot/views.js").Timeline | null} */ (null) };
  /** @type {[number, number] | null} the requested range */
  #requesting = null;
  #timer = 0;
  #requestedAt = 0;
  #notBefore = 0;
  #problem = "";

  /**
   * @param {import("../pycaserver.js").PV} pv
   * @param {() => number} now in seconds
   * @param {() => void} loaded called when there are new samples
   */
  constructor(pv, now, loaded) {
    this.#pv = pv;
    this.#now = now;
    this.#loaded = loaded;
  }

  /** A note about older samples, or "". */
  get note() {
    return this.#requesting && Date.now() - this.#requestedAt > SLOW ? "Loading older samples…" : this.#problem;
  }

  /**
   * The samples of a range: the page's own ones since `seam`, and older ones when they have been received.
   *
   * @param {import("../plot/history.js").History} own
   * @param {number} seam
   * @param {[number, number]} range
   * @returns {import("../plot/views.js").Timeline}
   */
  cover(own, seam, [from, to]) {
    if (!this.available || from >= seam) return own;
    const end = Math.min(to, seam);
    if (!this.#covers(from, end)) this.#request(from, end, seam);
    // A block that ends before the page's own samples begin is shown with those that the page had from the start.
    const block = this.#block;
    return block && block.to >= end ? this.#join(block, own, Math.min(seam, block.to)) : own;
  }

  #join(block, own, seam) {
    const parts = [block, own, own.revision, seam];
    const { timeline } = this.#joined;
    if (timeline && parts.every((part, i) => part === this.#joined.parts[i])) return timeline;
    const fresh = inserted(block.timeline, block.from, own, seam);
    this.#joined = { parts, timeline: fresh };
    return fresh;
  }

  close() {
    clearTimeout(this.#timer);
  }

  #covers(from, end) {
    const block = this.#block;
    if (!block || from < block.from || end > block.to) return false;
    return !block.thinned || end - from > CLOSE * (block.to - block.from);
  }

  #request(from, end, seam) {
    if (Date.now() < this.#notBefore || (this.#requesting && this.#requesting[0] <= from && this.#requesting[1] >= end)) return;
    const span = end - from;
    if (!this.#requesting) this.#requestedAt = Date.now();
    // This includes samples that the page has itself, since it will drop them.
    this.#requesting = [from - span / 2, Math.min(end + span / 2, Math.max(seam, this.#now()))];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), SETTLE);
  }

  async #load() {
    const requested = this.#requesting;
    if (!requested) return;
    try {
      const lists = withStamps(await this.#pv.history({ from: Math.max(0, requested[0]), to: requested[1], points: POINTS }));
      if (requested !== this.#requesting) return;
      const timeline = new History({ capacity: lists.timestamps.length });
      timeline.catchUp(lists, Infinity);
      this.#block = { from: requested[0], to: requested[1], timeline, thinned: lists.timestamps.length > POINTS / 3 };
      this.#problem = "";
    } catch (error) {
      if (requested !== this.#requesting) return;
      this.#notBefore = Date.now() + RETRY;
      this.#problem = `No older samples: ${error.message}.`;
    }
    this.#requesting = null;
    this.#loaded();
  }
}
