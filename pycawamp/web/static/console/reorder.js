/** Rows dragged by their handle: mouse, pen and finger alike. */

/** Near the window's edge (CSS pixels), a drag scrolls by this much per event. */
const EDGE = 48;
const SCROLL = 12;

export class Reorder {
  #table;
  #row = null;

  constructor(body, table) {
    this.#table = table;
    body.addEventListener("pointerdown", (event) => this.#start(event));
    body.addEventListener("pointermove", (event) => this.#drag(event));
    body.addEventListener("pointerup", () => this.#end());
    body.addEventListener("pointercancel", () => this.#end());
  }

  #start(event) {
    const row = this.#table.rowOf(event.target);
    if (event.button !== 0 || event.target !== row?.handle) return;
    event.target.setPointerCapture(event.pointerId);
    this.#row = row;
    row.element.classList.add("dragged");
  }

  #drag({ clientY, defaultPrevented }) {
    if (!this.#row || defaultPrevented) return;
    if (clientY < EDGE) window.scrollBy(0, -SCROLL);
    if (clientY > window.innerHeight - EDGE) window.scrollBy(0, SCROLL);
    const { element } = this.#row;
    const [above, below] = [element.previousElementSibling, element.nextElementSibling];
    if (above && clientY < middle(above)) this.#table.move(this.#row, -1);
    else if (below && clientY > middle(below)) this.#table.move(this.#row, 1);
  }

  #end() {
    if (!this.#row) return;
    this.#row.element.classList.remove("dragged");
    this.#row = null;
    this.#table.moved();
  }
}

function middle(element) {
  const { top, height } = element.getBoundingClientRect();
  return top + height / 2;
}
