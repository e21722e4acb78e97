/** A canvas with the resolution of the screen, whose memory is released while it is not visible. */

// Reading an element's size while drawing would force the browser to lay out the page again for
// each plot. A ResizeObserver reports sizes after a layout instead.
const resized = new WeakMap();
// Node has none, but modules with elements can be imported there.
const observer = globalThis.ResizeObserver && new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) resized.get(target)(contentRect);
});

export class Surface {
  #canvas;
  #context;
  #size = { width: 0, height: 0 };

  /** @param {() => void} redraw called when the size has changed */
  constructor(canvas, redraw) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    resized.set(canvas, ({ width, height }) => {
      this.#size = { width, height };
      if (width && height) redraw();
    });
    observer.observe(canvas);
  }

  /** Width and height in CSS pixels. A new size is a new object. */
  get size() {
    return this.#size;
  }

  /** @returns {{context: CanvasRenderingContext2D, width: number, height: number, ratio: number} | null} cleared; null when not laid out */
  begin() {
    const { width, height } = this.#size;
    if (!width || !height) return null;
    const ratio = globalThis.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== w || this.#canvas.height !== h) Object.assign(this.#canvas, { width: w, height: h });
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    return { context: this.#context, width, height, ratio };
  }

  release() {
    this.#canvas.width = this.#canvas.height = 0;
  }
}
