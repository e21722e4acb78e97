/** The small plot of a table row: the last minutes of a number, the elements of an array, a picture. */
import { palette } from "./palette.js";
import { Surface } from "./surface.js";
import { extent, historyExtent, lineTrace, padded, stepPen, stepTrace } from "./traces.js";

const MARGIN = 2;
const WIDTH = 1.25;

export class Sparkline {
  #surface;
  /** The content that was drawn last. While it is the same, nothing is drawn. */
  #shown = /** @type {unknown[]} */ ([]);

  /** @param {() => void} redraw called when the size has changed */
  constructor(canvas, redraw) {
    this.#surface = new Surface(canvas, redraw);
  }

  release() {
    this.#surface.release();
    this.#shown = [];
  }

  drawHistory(history, now, seconds) {
    /** @type {[number, number]} */
    const range = [now - seconds, now];
    const column = Math.floor((now / seconds) * this.#surface.size.width * (globalThis.devicePixelRatio || 1));
    if (this.#shows(history.revision, history.length, column)) return;
    this.#draw(range, historyExtent(history, range), (context, scale) => {
      context.fillStyle = palette().trace;
      stepTrace(stepPen(context, WIDTH), history, scale, range, now);
    });
  }

  drawList(list) {
    if (this.#shows(list)) return;
    /** @type {[number, number]} */
    const range = [0, Math.max(1, list.length - 1)];
    this.#draw(range, extent(list), (context, scale) => {
      const path = new Path2D();
      lineTrace(path, list, scale, range);
      Object.assign(context, { strokeStyle: palette().trace, lineWidth: WIDTH, lineJoin: "round" });
      context.stroke(path);
    });
  }

  /** @param {import("./picture.js").Picture} picture */
  drawPicture({ canvas, size, problem, revision }) {
    if (this.#shows(revision)) return;
    const surface = this.#surface.begin();
    if (!surface || problem || !size.width) return;
    const { context, width, height } = surface;
    const scale = Math.min(width / size.width, height / size.height);
    // At the right, like the newest sample of a plot.
    context.drawImage(canvas, width - size.width * scale, 0, size.width * scale, size.height * scale);
  }

  /** Whether this content is already drawn. It is stored for the next call. */
  #shows(...content) {
    const requested = [palette(), this.#surface.size, globalThis.devicePixelRatio, ...content];
    const isShown = requested.every((part, i) => part === this.#shown[i]);
    this.#shown = requested;
    return isShown;
  }

  #draw([from, to], values, trace) {
    const surface = this.#surface.begin();
    if (!surface || values[0] > values[1]) return;
    const { context, width, height } = surface;
    const [low, high] = padded(values);
    const scale = {
      column: 0.5,
      x: (x) => ((x - from) / (to - from)) * (width - MARGIN),
      y: (y) => height - MARGIN - ((y - low) / (high - low)) * (height - 2 * MARGIN),
    };
    trace(context, scale);
  }
}
