/** The small plot of a table row: the last minutes of a number, the elements of an array, a picture. */
import { palette } from "./palette.js";
import { Surface } from "./surface.js";
import { extent, historyExtent, lineTrace, padded, stepTrace } from "./traces.js";

const MARGIN = 2;

export class Sparkline {
  #surface;

  /** @param {() => void} redraw asked for when its size changed */
  constructor(canvas, redraw) {
    this.#surface = new Surface(canvas, redraw);
  }

  release() {
    this.#surface.release();
  }

  drawHistory(history, now, seconds) {
    /** @type {[number, number]} */
    const range = [now - seconds, now];
    this.#draw(range, historyExtent(history, range), (path, scale) => stepTrace(path, history, scale, range, now));
  }

  drawList(list) {
    /** @type {[number, number]} */
    const range = [0, Math.max(1, list.length - 1)];
    this.#draw(range, extent(list), (path, scale) => lineTrace(path, list, scale, range));
  }

  /** @param {import("./picture.js").Picture} picture */
  drawPicture({ canvas, size, problem }) {
    const surface = this.#surface.begin();
    if (!surface || problem || !size.width) return;
    const { context, width, height } = surface;
    const scale = Math.min(width / size.width, height / size.height);
    // At the right, as the newest of a plot is.
    context.drawImage(canvas, width - size.width * scale, 0, size.width * scale, size.height * scale);
  }

  #draw([from, to], values, trace) {
    const surface = this.#surface.begin();
    if (!surface || values[0] > values[1]) return;
    const { context, width, height } = surface;
    const [low, high] = padded(values);
    const scale = {
      x: (x) => ((x - from) / (to - from)) * (width - MARGIN),
      y: (y) => height - MARGIN - ((y - low) / (high - low)) * (height - 2 * MARGIN),
    };
    const path = new Path2D();
    trace(path, scale);
    context.strokeStyle = palette().trace;
    context.lineWidth = 1.25;
    context.lineJoin = "round";
    context.stroke(path);
  }
}
