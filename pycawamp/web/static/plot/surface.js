/** A canvas as sharp as the screen, whose memory is given back while nobody sees it. */
export class Surface {
  #canvas;
  #context;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
  }

  /** @returns {{context: CanvasRenderingContext2D, width: number, height: number} | null} cleared; null when not laid out */
  begin() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (!width || !height) return null;
    const ratio = globalThis.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== w || this.#canvas.height !== h) Object.assign(this.#canvas, { width: w, height: h });
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    return { context: this.#context, width, height };
  }

  release() {
    this.#canvas.width = this.#canvas.height = 0;
  }
}
