/**
 * Paints changed parts, once per animation frame. Only marked parts are painted, and none while the
 * page is hidden.
 */
export class Painter {
  #marked = new Set();
  #requested = false;
  #schedule;

  /** @param {(draw: () => void) => void} [schedule] */
  constructor(schedule = (draw) => requestAnimationFrame(draw)) {
    this.#schedule = schedule;
  }

  /** @param {{paint: () => void}} item */
  mark(item) {
    this.#marked.add(item);
    if (this.#requested) return;
    this.#requested = true;
    this.#schedule(() => this.#draw());
  }

  forget(item) {
    this.#marked.delete(item);
  }

  #draw() {
    this.#requested = false;
    const items = this.#marked;
    this.#marked = new Set();
    for (const item of items) {
      try {
        item.paint();
      } catch (error) {
        // An error in one element must not affect the others.
        globalThis.reportError?.(error);
      }
    }
  }
}
