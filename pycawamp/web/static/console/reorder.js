/** Dragging of rows and headings by their handle, with mouse, pen or finger. */

/** Distance (CSS pixels) from the window's edge within which a drag scrolls, and how far per event. */
const EDGE = 48;
const SCROLL = 12;

export class Reorder {
  #table;
  /** @type {import("./row.js").Row | import("./heading.js").Heading | null} the one that is dragged */
  #entry = null;

  constructor(body, table) {
    this.#table = table;
    body.addEventListener("pointerdown", (event) => this.#start(event));
    body.addEventListener("pointermove", (event) => this.#drag(event));
    body.addEventListener("pointerup", () => this.#end());
    body.addEventListener("pointercancel", () => this.#end());
  }

  #start(event) {
    const entry = this.#table.entryOf(event.target);
    if (!entry || event.button !== 0 || event.target !== entry.handle) return;
    event.target.setPointerCapture(event.pointerId);
    if (this.#table.isSorted) return;
    this.#entry = entry;
    entry.element.classList.add("dragged");
  }

  #drag({ clientX, clientY, defaultPrevented }) {
    if (!this.#entry || defaultPrevented) return;
    if (clientY < EDGE) window.scrollBy(0, -SCROLL);
    if (clientY > window.innerHeight - EDGE) window.scrollBy(0, SCROLL);
    const { element } = this.#entry;
    const [above, below] = [element.previousElementSibling, element.nextElementSibling];
    if (above && isBefore(clientX, clientY, above)) this.#table.move(this.#entry, -1);
    else if (below && isAfter(clientX, clientY, below)) this.#table.move(this.#entry, 1);
  }

  #end() {
    if (!this.#entry) return;
    this.#entry.element.classList.remove("dragged");
    this.#entry = null;
    this.#table.moved();
  }
}

/** Whether a point is before the middle of an element in reading order: rows, then columns. */
function isBefore(x, y, element) {
  const { top, bottom, left, width, height } = element.getBoundingClientRect();
  if (isBeside(element)) return y < top || (y < bottom && x < left + width / 2);
  return y < top + height / 2;
}

function isAfter(x, y, element) {
  const { top, bottom, left, width, height } = element.getBoundingClientRect();
  if (isBeside(element)) return y > bottom || (y > top && x > left + width / 2);
  return y > top + height / 2;
}

/** Whether there are other entries beside it. */
function isBeside(element) {
  return element.getBoundingClientRect().width < 0.9 * element.parentElement.getBoundingClientRect().width;
}
