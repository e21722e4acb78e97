/** Gestures on a plot, passed to its viewport as parts of its width. */

import { CLICK_PIXELS, listen } from "./listen.js";

const KEYS = {
  "+": (viewport) => viewport.zoom(0.5, 0.5),
  "=": (viewport) => viewport.zoom(0.5, 0.5),
  "-": (viewport) => viewport.zoom(2, 0.5),
  ArrowLeft: (viewport) => viewport.pan(-0.2),
  ArrowRight: (viewport) => viewport.pan(0.2),
  0: (viewport) => viewport.follow(),
  Home: (viewport) => viewport.follow(),
};

export class Gestures {
  /** @type {[number, number] | null} the part marked by a drag, 0 … 1 */
  selection = null;
  /** @type {number | null} the position of the pointer, 0 … 1 */
  hover = null;
  #canvas;
  #viewport;
  #area;
  /** @type {{x: number, part: number, pan: boolean} | null} */
  #drag = null;

  /** @param {() => {left: number, width: number}} area the position of the plot in the canvas */
  constructor(canvas, viewport, area, changed) {
    this.#canvas = canvas;
    this.#viewport = viewport;
    this.#area = area;
    listen(canvas, this, changed);
  }

  wheel(event) {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.#viewport.pan((event.deltaX || event.deltaY) / 1000);
    else this.#viewport.zoom(1.0015 ** event.deltaY, this.#part(event));
  }

  press(event) {
    this.#drag = { x: event.clientX, part: this.#part(event), pan: event.shiftKey };
  }

  move(event) {
    const part = this.#part(event);
    this.hover = part;
    const drag = this.#drag;
    if (drag?.pan) {
      this.#viewport.pan(drag.part - part);
      drag.part = part;
    } else if (drag && Math.abs(event.clientX - drag.x) > CLICK_PIXELS) this.selection = [drag.part, part];
  }

  release() {
    const { selection } = this;
    this.cancel();
    if (selection) this.#viewport.select(...selection);
  }

  cancel() {
    this.#drag = this.selection = null;
  }

  leave() {
    if (!this.#drag) this.hover = null;
  }

  reset() {
    this.#viewport.follow();
  }

  action(key) {
    return Object.hasOwn(KEYS, key) ? () => KEYS[key](this.#viewport) : null;
  }

  #part(event) {
    const { left, width } = this.#area();
    const x = event.clientX - this.#canvas.getBoundingClientRect().left - left;
    return Math.min(1, Math.max(0, x / width));
  }
}
