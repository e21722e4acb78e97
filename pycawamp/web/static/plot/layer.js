/** Traces as an image that is shifted with time, so that only new samples are drawn. In device pixels. */
import { palette } from "./palette.js";

/** Columns before the first change that are drawn again, because of the width and corners of lines. */
const OVERLAP = 4;

/**
 * @typedef {object} Frame the position of the picture
 * @property {number} columns
 * @property {number} rows
 * @property {number} pixel the length of x in a column
 * @property {number} right x at the right end, in columns
 */

export class Layer {
  canvas = document.createElement("canvas");
  #context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  /** @type {{look: string, colours: object, right: number, states: {revision: unknown, length: number}[]} | null} what the picture shows */
  #shown = null;

  /**
   * Updates the picture.
   *
   * @param {Frame} frame
   * @param {import("./chart.js").Drawn[]} drawn the traces
   * @param {string} look other settings that affect the drawing, as a text to compare
   * @param {(context: CanvasRenderingContext2D, drawn: import("./chart.js").Drawn, range: [number, number]) => void} stroke draws a part of a trace
   */
  paint(frame, drawn, look, stroke) {
    const { columns, rows, pixel, right } = frame;
    const start = (right - columns) * pixel;
    const timelines = drawn.map(({ trace }) => trace.timeline([start, right * pixel]));
    const fresh = this.#firstNew(frame, timelines, look);
    this.#shown = { look, colours: palette(), right, states: timelines.map(({ revision, length }) => ({ revision, length })) };
    if (fresh >= columns) return;
    if (this.canvas.width !== columns || this.canvas.height !== rows) Object.assign(this.canvas, { width: columns, height: rows });
    const context = this.#context;
    context.clearRect(fresh, 0, columns - fresh, rows);
    context.save();
    context.beginPath();
    context.rect(fresh, 0, columns - fresh, rows);
    context.clip();
    context.translate(0.5, 0);
    for (const each of drawn) stroke(context, each, [start + (fresh - OVERLAP) * pixel, right * pixel]);
    context.restore();
  }

  release() {
    this.canvas.width = this.canvas.height = 0;
    this.#shown = null;
  }

  /** Shifts the picture if it is still valid. @returns {number} the first column that has to be drawn; 0: all of them */
  #firstNew({ columns, pixel, right }, timelines, look) {
    const shown = this.#shown;
    if (!shown || shown.look !== look || shown.colours !== palette() || shown.states.length !== timelines.length) return 0;
    if (timelines.some(({ revision }, i) => revision !== shown.states[i].revision)) return 0;
    const moved = right - shown.right;
    if (moved < 0 || moved >= columns) return 0;
    let first = moved > 0 ? shown.right : Infinity;
    timelines.forEach((timeline, i) => {
      const before = shown.states[i].length;
      // The last value was extended to the current time, which the next sample may change.
      if (timeline.length > before) first = Math.min(first, Math.floor(timeline.time(before) / pixel));
    });
    if (moved > 0) this.#scroll(moved);
    return Math.max(0, first - right + columns - OVERLAP);
  }

  #scroll(columns) {
    this.#context.globalCompositeOperation = "copy";
    this.#context.drawImage(this.canvas, -columns, 0);
    this.#context.globalCompositeOperation = "source-over";
  }
}
