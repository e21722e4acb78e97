/** A plot with axes, zoom and a readout. What is drawn in it comes from a series. */
import { axisFor } from "./axis.js";
import { Gestures } from "./gestures.js";
import { palette } from "./palette.js";
import { Surface } from "./surface.js";

const MARGIN = { top: 24, right: 12, bottom: 22 };
const LABEL = 11;

/**
 * @typedef {object} Series
 * @property {import("./viewport.js").Viewport} viewport
 * @property {(range: [number, number], above: number) => [number, number]} extent lowest and highest value in a range, of those above some
 * @property {(path: Path2D, scale: object, range: [number, number]) => void} trace
 * @property {(range: [number, number], wanted: number) => {at: number, label: string}[]} xTicks
 * @property {() => string} xName what the x axis counts, or the time zone
 * @property {() => string} units of the values
 * @property {(x: number) => {x: number, y: number, text: string} | null} read what lies at x
 * @property {(() => string[] | undefined)} [labels] of an enum
 * @property {() => {value: number, kind: string}[]} [limits] lines to draw when they are in sight
 */

export class Chart {
  /** @type {{log: boolean, range: [number, number] | null}} the axis of values; range: null to follow what is in sight */
  axis = { log: false, range: null };
  #canvas;
  #surface;
  #series;
  #gestures;
  #left = 56;
  #width = 1;

  /** @param {() => void} changed asked for a redraw */
  constructor(canvas, series, changed) {
    this.#canvas = canvas;
    this.#surface = new Surface(canvas, () => this.draw());
    this.#series = series;
    this.#gestures = new Gestures(canvas, series.viewport, () => ({ left: this.#left, width: this.#width }), changed);
  }

  release() {
    this.#surface.release();
  }

  draw() {
    const surface = this.#surface.begin();
    if (!surface) return;
    const range = this.#series.viewport.range;
    const plot = this.#layout(surface, range);
    this.#grid(plot);
    this.#limits(plot);
    this.#trace(plot);
    this.#marks(plot);
  }

  /**
   * The plot with a title and a ground, for a file.
   * @param {(blob: Blob | null) => void} done
   * @param {string} title
   */
  picture(done, title) {
    const { width, height } = this.#canvas;
    const copy = document.createElement("canvas");
    Object.assign(copy, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (copy.getContext("2d"));
    const ratio = globalThis.devicePixelRatio || 1;
    context.fillStyle = palette().panel;
    context.fillRect(0, 0, width, height);
    context.drawImage(this.#canvas, 0, 0);
    context.scale(ratio, ratio);
    Object.assign(context, { font: `bold ${LABEL}px ${palette().font}`, fillStyle: palette().text, textAlign: "center", textBaseline: "middle" });
    context.fillText(title, width / ratio / 2, MARGIN.top / 2);
    copy.toBlob(done, "image/png");
  }

  #layout({ context, width, height }, range) {
    context.font = `${LABEL}px ${palette().font}`;
    const wanted = Math.max(2, Math.floor(height / 36));
    const axis = axisFor(this.axis, (above) => this.#series.extent(range, above), wanted, this.#series.labels?.());
    const rows = axis.ticks;
    const labels = rows.map((row) => context.measureText(row.label).width);
    this.#left = Math.ceil(Math.max(28, ...labels)) + 12;
    this.#width = Math.max(1, width - this.#left - MARGIN.right);
    const inner = height - MARGIN.top - MARGIN.bottom;
    const [x0, x1] = range;
    const scale = {
      x: (x) => this.#left + ((x - x0) / (x1 - x0)) * this.#width,
      y: (y) => MARGIN.top + inner - axis.part(y) * inner,
    };
    return { context, width, height, range, values: axis.range, scale, rows, bottom: MARGIN.top + inner };
  }

  #grid({ context, width, range, scale, rows, bottom }) {
    const colours = palette();
    Object.assign(context, { strokeStyle: colours.grid, fillStyle: colours.muted, lineWidth: 1, textBaseline: "middle", textAlign: "right" });
    context.beginPath();
    for (const { at, label } of rows) {
      const y = Math.round(scale.y(at)) + 0.5;
      context.moveTo(this.#left, y);
      context.lineTo(width - MARGIN.right, y);
      context.fillText(label, this.#left - 6, y);
    }
    context.textAlign = "center";
    for (const { at, label } of this.#series.xTicks(range, Math.floor(this.#width / 90))) {
      const x = Math.round(scale.x(at)) + 0.5;
      context.moveTo(x, MARGIN.top);
      context.lineTo(x, bottom);
      const half = context.measureText(label).width / 2 + 2;
      if (x - half > this.#left - 6) context.fillText(label, Math.min(x, width - half), bottom + 13);
    }
    context.stroke();
    context.textAlign = "left";
    context.fillText(this.#series.units(), 6, MARGIN.top / 2);
    context.fillText(this.#series.xName(), 6, bottom + 13);
  }

  #limits({ context, width, values, scale }) {
    const colours = palette();
    context.setLineDash([6, 4]);
    for (const { value, kind } of this.#series.limits?.() ?? []) {
      if (value < values[0] || value > values[1]) continue;
      context.strokeStyle = colours[`${kind}-line`];
      context.beginPath();
      context.moveTo(this.#left, scale.y(value));
      context.lineTo(width - MARGIN.right, scale.y(value));
      context.stroke();
    }
    context.setLineDash([]);
  }

  #trace({ context, range, scale, bottom }) {
    const path = new Path2D();
    this.#series.trace(path, scale, range);
    context.save();
    context.beginPath();
    context.rect(this.#left, MARGIN.top - 2, this.#width + 2, bottom - MARGIN.top + 4);
    context.clip();
    Object.assign(context, { strokeStyle: palette().trace, lineWidth: 1.5, lineJoin: "round" });
    context.stroke(path);
    context.restore();
  }

  #marks(plot) {
    const { context, range, bottom } = plot;
    const { selection, hover } = this.#gestures;
    if (selection) {
      const [from, to] = selection.map((part) => this.#left + part * this.#width);
      context.fillStyle = palette().fill;
      context.fillRect(from, MARGIN.top, to - from, bottom - MARGIN.top);
    }
    if (hover === null) return;
    const reading = this.#series.read(range[0] + hover * (range[1] - range[0]));
    if (reading) this.#readout(plot, reading);
  }

  #readout({ context, scale, bottom, width }, { x, y, text }) {
    const colours = palette();
    const [at, height] = [scale.x(x), Math.min(bottom, Math.max(MARGIN.top, scale.y(y)))];
    context.strokeStyle = context.fillStyle = colours.accent;
    context.beginPath();
    context.moveTo(at, MARGIN.top);
    context.lineTo(at, bottom);
    context.stroke();
    context.beginPath();
    context.arc(at, height, 3.5, 0, 2 * Math.PI);
    context.fill();
    const box = context.measureText(text).width + 14;
    const left = Math.max(this.#left, Math.min(at - box / 2, width - MARGIN.right - box));
    // Above the plot, where it hides no peak.
    const top = 2;
    context.fillStyle = colours.text;
    context.beginPath();
    context.roundRect(left, top, box, 20, 4);
    context.fill();
    Object.assign(context, { fillStyle: colours.panel, textAlign: "left", textBaseline: "middle" });
    context.fillText(text, left + 7, top + 10.5);
  }
}
