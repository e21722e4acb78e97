/** Wheel, drag, double click and keys on a plot, told to its viewport in parts of its width. */

const CLICK_PIXELS = 4;
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
  /** @type {[number, number] | null} what a drag has marked so far, 0 … 1 */
  selection = null;
  /** @type {number | null} where the pointer is, 0 … 1 */
  hover = null;
  #canvas;
  #viewport;
  #area;
  #changed;
  #drag = null;

  /** @param {() => {left: number, width: number}} area where in the canvas the plot lies */
  constructor(canvas, viewport, area, changed) {
    this.#canvas = canvas;
    this.#viewport = viewport;
    this.#area = area;
    this.#changed = changed;
    const on = (event, react, options) => canvas.addEventListener(event, react, options);
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", () => this.#up());
    on("pointercancel", () => this.#leave());
    on("pointerleave", () => this.#leave());
    on("dblclick", () => this.#do(() => viewport.follow()));
    on("keydown", (event) => this.#key(event));
  }

  #wheel(event) {
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      return this.#do(() => this.#viewport.pan((event.deltaX || event.deltaY) / 1000));
    }
    this.#do(() => this.#viewport.zoom(1.0015 ** event.deltaY, this.#part(event)));
  }

  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, part: this.#part(event), pan: event.shiftKey };
  }

  #move(event) {
    const part = this.#part(event);
    this.hover = part;
    const drag = this.#drag;
    if (drag?.pan) {
      this.#viewport.pan(drag.part - part);
      drag.part = part;
    } else if (drag && Math.abs(event.clientX - drag.x) > CLICK_PIXELS) this.selection = [drag.part, part];
    this.#changed();
  }

  #up() {
    const { selection } = this;
    this.#drag = this.selection = null;
    this.#do(() => selection && this.#viewport.select(...selection));
  }

  #leave() {
    // A drag that leaves the plot is still a drag: the pointer is captured.
    if (!this.#drag) this.hover = null;
    this.#changed();
  }

  #key(event) {
    const act = Object.hasOwn(KEYS, event.key) && !event.altKey && !event.ctrlKey && !event.metaKey ? KEYS[event.key] : null;
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    this.#do(() => act(this.#viewport));
  }

  #do(act) {
    act();
    this.#changed();
  }

  #part(event) {
    const { left, width } = this.#area();
    const x = event.clientX - this.#canvas.getBoundingClientRect().left - left;
    return Math.min(1, Math.max(0, x / width));
  }
}
