/**
 * Draws what changed, once per animation frame, however often it changed. Painting costs what is
 * marked, and nothing at all while the page is hidden.
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
        // One element that cannot be drawn must not stop the others.
        globalThis.reportError?.(error);
      }
    }
  }
}
