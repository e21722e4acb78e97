/** A plot with axes, zoom and a readout, of a series with one or several traces. */
import { axisFor } from "./axis.js";
import { Gestures } from "./gestures.js";
import { Layer } from "./layer.js";
import { palette } from "./palette.js";
import { Surface } from "./surface.js";
import { stepPen } from "./traces.js";

const MARGIN = { top: 24, right: 12, bottom: 22 };
const LABEL = 11;
/** Maximum number of value axes beside each other, if there is enough space. */
const MAX_AXES = 4;
/** Width of the plot (CSS pixels) that each further axis requires. */
const ROOM_PER_AXIS = 220;
/** Colours and patterns of alarms in traces. */
const ALARMS = [{ colour: "trace", dash: [] }, { colour: "minor-line", dash: [7, 3] }, { colour: "major-line", dash: [] }, { colour: "invalid", dash: [2, 3] }];
const ALARM_WIDTH = 3.5;
/** Symbols at the ends of limit lines, as in the badges of rows. */
const LIMIT_SHAPES = { minor: "▲", major: "◆" };
/** Traces may extend above and below the plot by half of their width. */
const ABOVE = 2;

/**
 * @typedef {object} Series
 * @property {import("./viewport.js").Viewport} viewport
 * @property {() => Trace[]} traces
 * @property {(range: [number, number], target: number) => {at: number, label: string}[]} xTicks
 * @property {() => string} xName the quantity of the x axis, or the time zone
 * @property {(x: number) => string} xText
 *
 * @typedef {object} Trace
 * @property {(range: [number, number]) => {revision: unknown, length: number, time?: (i: number) => number}} timeline the samples; while `revision` is the same, they are only appended
 * @property {(range: [number, number], above: number) => [number, number]} extent lowest and highest value in a range, above a number
 * @property {(path: Path2D, scale: object, range: [number, number]) => void} [trace] a line
 * @property {(draw: import("./traces.js").Pen, scale: object, range: [number, number]) => void} [steps] or steps
 * @property {() => string} units of the values
 * @property {(x: number, range: [number, number]) => {x: number, y: number, text: string} | null} read the sample at x
 * @property {(range: [number, number]) => number[]} [alarms] severities, above 0, in a range
 * @property {(draw: import("./traces.js").Pen, scale: object, range: [number, number], severity: number) => void} [alarmSteps]
 * @property {() => string[] | undefined} [labels] of an enum
 * @property {() => {value: number, kind: string}[]} [limits] lines that are drawn if they are in the range
 * @property {Style} [style]
 * @property {() => number} [shift] by how much it is shifted along x
 *
 * @typedef {object} Style distinguishes a trace from others
 * @property {string} colour of the palette
 * @property {string} tag the text at its end, as in the legend
 * @property {string} axis the key of its axis; traces with the same key share one
 * @property {number[]} [dash]
 * @property {boolean} [chosen] whether it is emphasized
 *
 * @typedef {{trace: Trace, axis: any, scale: {x: (x: number) => number, y: (y: number) => number}}} Drawn
 */

export class Chart {
  /** @type {{log: boolean, range: [number, number] | null}} the axis of values; range: null for an automatic range */
  axis = { log: false, range: null };
  #canvas;
  #surface;
  #series;
  #gestures;
  /** Layers for traces that move with x, and for pinned ones, which do not. */
  #layers = { moving: new Layer(), still: new Layer() };
  #left = 56;
  #width = 1;
  /** The end of the range that was drawn last. */
  #end = NaN;

  /** @param {() => void} changed requests a redraw */
  constructor(canvas, series, changed) {
    this.#canvas = canvas;
    this.#surface = new Surface(canvas, () => this.draw());
    this.#series = series;
    this.#gestures = new Gestures(canvas, series.viewport, () => ({ left: this.#left, width: this.#width }), changed);
  }

  /** The position of the pointer on the x axis, or null. */
  get cursor() {
    const { hover } = this.#gestures;
    const [from, to] = this.#series.viewport.range;
    return hover === null ? null : from + hover * (to - from);
  }

  /** Whether the range has moved by at least a pixel since the last paint. */
  get moved() {
    const [from, to] = this.#series.viewport.range;
    return !(Math.abs(to - this.#end) * this.#canvas.width < to - from);
  }

  release() {
    this.#surface.release();
    for (const layer of Object.values(this.#layers)) layer.release();
  }

  draw() {
    const surface = this.#surface.begin();
    if (!surface) return;
    const { range } = this.#series.viewport;
    this.#end = range[1];
    const plot = this.#layout(surface, range, this.#series.traces());
    this.#grid(plot);
    for (const drawn of plot.drawn) this.#limits(plot, drawn);
    this.#traces(plot);
    this.#tags(plot);
    this.#marks(plot);
  }

  /**
   * Draws the plot with a title and a background, for a file.
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

  #layout({ context, width, height, ratio }, range, traces) {
    context.font = `${LABEL}px ${palette().font}`;
    const axes = this.#axes(range, traces, height);
    const shown = axes.slice(0, Math.max(1, Math.min(MAX_AXES, Math.floor(width / ROOM_PER_AXIS))));
    let left = 0;
    for (const axis of shown) {
      const labels = axis.ticks.map((tick) => context.measureText(tick.label).width);
      left += Math.ceil(Math.max(28, context.measureText(axis.units).width - 10, ...labels)) + 12;
      axis.right = left;
    }
    this.#left = left = Math.ceil(left * ratio) / ratio;
    const columns = Math.max(1, Math.floor((width - left - MARGIN.right) * ratio));
    this.#width = columns / ratio;
    const inner = height - MARGIN.top - MARGIN.bottom;
    // Ends are aligned to pixels, so that traces move by whole pixels, and samples stay in their columns.
    const pixel = rounded(range[1] - range[0]) / columns;
    const right = Math.round(range[1] / pixel);
    const x = (at) => left + (columns + at / pixel - right) / ratio;
    for (const axis of axes) axis.scale = { x, y: (y) => MARGIN.top + inner - axis.part(y) * inner };
    const drawn = axes.flatMap((axis) => axis.traces.map((trace) => ({ trace, axis, scale: axis.scale })));
    // Emphasized traces are above the others.
    drawn.sort((one, other) => Number(Boolean(one.trace.style?.chosen)) - Number(Boolean(other.trace.style?.chosen)));
    return { context, width, ratio, range, columns, pixel, right, shown, drawn, x, bottom: MARGIN.top + inner };
  }

  /** The axes of values, beginning with that of the emphasized trace. */
  #axes(range, traces, height) {
    const groups = new Map();
    for (const trace of traces) {
      const key = trace.style?.axis ?? "";
      groups.set(key, [...(groups.get(key) ?? []), trace]);
    }
    if (groups.size === 0) groups.set("", []);
    const target = Math.max(2, Math.floor(height / 36));
    const axes = [...groups.values()].map((members) => ({
      ...axisFor(this.axis, (above) => unionOf(members.map((trace) => trace.extent(range, above))), target, commonLabels(members)),
      traces: members,
      units: commonUnits(members),
      colour: members.length === 1 ? members[0].style?.colour : undefined,
      chosen: members.some((trace) => trace.style?.chosen),
      right: 0,
      scale: /** @type {any} */ (null),
    }));
    return axes.sort((one, other) => Number(other.chosen) - Number(one.chosen));
  }

  #grid({ context, width, range, shown, x, bottom }) {
    const colours = palette();
    context.beginPath();
    shown.forEach((axis, i) => {
      Object.assign(context, { fillStyle: colours[axis.colour ?? "muted"], textBaseline: "middle", textAlign: "right" });
      for (const { at, label } of axis.ticks) {
        const y = Math.round(axis.scale.y(at)) + 0.5;
        if (i === 0) {
          context.moveTo(this.#left, y);
          context.lineTo(width - MARGIN.right, y);
        }
        context.fillText(label, axis.right - 6, y);
      }
      context.textAlign = "left";
      context.fillText(axis.units, i === 0 ? 6 : shown[i - 1].right + 2, MARGIN.top / 2);
    });
    Object.assign(context, { strokeStyle: colours.grid, fillStyle: colours.muted, lineWidth: 1, textAlign: "center" });
    const nameEnd = 6 + context.measureText(this.#series.xName()).width;
    for (const { at, label } of this.#series.xTicks(range, Math.max(3, Math.floor(this.#width / 110)))) {
      const place = Math.round(x(at)) + 0.5;
      context.moveTo(place, MARGIN.top);
      context.lineTo(place, bottom);
      const half = context.measureText(label).width / 2 + 2;
      if (place - half > Math.max(this.#left - 6, nameEnd)) context.fillText(label, Math.min(place, width - half), bottom + 13);
    }
    context.stroke();
    context.textAlign = "left";
    context.fillText(this.#series.xName(), 6, bottom + 13);
  }

  #limits({ context, width, drawn }, { trace, axis, scale }) {
    // With several traces, it would not be clear whose limits they are.
    if (drawn.length > 1 && !trace.style?.chosen) return;
    const colours = palette();
    context.setLineDash([6, 4]);
    Object.assign(context, { textAlign: "right", textBaseline: "middle" });
    for (const { value, kind } of trace.limits?.() ?? []) {
      if (value < axis.range[0] || value > axis.range[1]) continue;
      context.strokeStyle = context.fillStyle = colours[`${kind}-line`];
      context.beginPath();
      context.moveTo(this.#left, scale.y(value));
      context.lineTo(width - MARGIN.right, scale.y(value));
      context.stroke();
      context.fillText(LIMIT_SHAPES[kind], width, scale.y(value));
    }
    context.setLineDash([]);
  }

  /** Draws the traces, each group in its layer, and lays these over the grid. */
  #traces(plot) {
    const { context, ratio, drawn } = plot;
    const still = drawn.filter(({ trace }) => trace.shift);
    const moving = drawn.filter(({ trace }) => !trace.shift);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const [layer, group] of [[this.#layers.still, still], [this.#layers.moving, moving]]) {
      if (group.length === 0) layer.release();
      else {
        this.#paintLayer(layer, plot, group);
        context.drawImage(layer.canvas, Math.round(this.#left * ratio), Math.round((MARGIN.top - ABOVE) * ratio));
      }
    }
    context.restore();
  }

  #paintLayer(layer, { columns, pixel, right, ratio, bottom }, group) {
    const shift = group[0].trace.shift?.() ?? 0;
    const frame = { columns, rows: Math.round((bottom - MARGIN.top + 2 * ABOVE) * ratio), pixel, right: right - Math.round(shift / pixel) };
    // Lines through the middle of a column are sharp.
    const x = (at) => columns + at / pixel - frame.right - 0.5;
    const scaled = group.map((drawn) => ({ ...drawn, scale: { column: 1, x, y: (y) => (drawn.scale.y(y) - MARGIN.top + ABOVE) * ratio } }));
    const look = JSON.stringify([columns, frame.rows, pixel, this.axis.log, group.map(({ trace, axis: { range } }) => [range, trace.style])]);
    layer.paint(frame, scaled, look, (context, drawn, range) => strokeTrace(context, drawn, range, { ratio, origin: frame.right - columns }));
  }

  /** Draws the number of each trace at its end, since colours alone do not distinguish them. */
  #tags({ context, range, drawn, bottom, width }) {
    const tagged = drawn.filter(({ trace }) => trace.style?.tag);
    if (tagged.length < 2) return;
    const colours = palette();
    Object.assign(context, { textAlign: "center", textBaseline: "middle", font: `bold ${LABEL - 1}px ${colours.font}` });
    const used = [];
    for (const { trace, scale } of tagged) {
      const end = trace.read(range[1], range);
      if (!end) continue;
      const y = Math.min(bottom - 6, Math.max(MARGIN.top + 6, scale.y(end.y)));
      // Beside existing tags.
      const column = used.filter((other) => Math.abs(other - y) < 12).length;
      used.push(y);
      const at = width - MARGIN.right - 7 - 15 * column;
      context.fillStyle = colours.panel;
      context.beginPath();
      context.arc(at, y, 7.5, 0, 2 * Math.PI);
      context.fill();
      Object.assign(context, { fillStyle: colours[trace.style.colour], strokeStyle: colours[trace.style.colour], lineWidth: 1 });
      context.stroke();
      context.fillText(trace.style.tag, at, y + 0.5);
    }
    context.font = `${LABEL}px ${colours.font}`;
  }

  #marks(plot) {
    const { context, bottom } = plot;
    const { selection } = this.#gestures;
    if (selection) {
      const [from, to] = selection.map((part) => this.#left + part * this.#width);
      context.fillStyle = palette().fill;
      context.fillRect(from, MARGIN.top, to - from, bottom - MARGIN.top);
    }
    const { cursor } = this;
    if (cursor === null) return;
    const readings = plot.drawn.map(({ trace, scale }) => ({ reading: trace.read(cursor, plot.range), scale })).filter(({ reading }) => reading);
    if (readings.length === 0) return;
    const text = plot.drawn.length === 1 ? readings[0].reading.text : this.#series.xText(cursor);
    this.#readout(plot, readings, text);
  }

  #readout({ context, bottom, width, x }, readings, text) {
    const colours = palette();
    const at = x(readings[0].reading.x);
    context.strokeStyle = context.fillStyle = colours.accent;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(at, MARGIN.top);
    context.lineTo(at, bottom);
    context.stroke();
    for (const { reading, scale } of readings) {
      context.beginPath();
      context.arc(at, Math.min(bottom, Math.max(MARGIN.top, scale.y(reading.y))), 3.5, 0, 2 * Math.PI);
      context.fill();
    }
    const box = context.measureText(text).width + 14;
    const left = Math.max(this.#left, Math.min(at - box / 2, width - MARGIN.right - box));
    // Above the plot, where it does not hide peaks.
    const top = 2;
    context.fillStyle = colours.text;
    context.beginPath();
    context.roundRect(left, top, box, 20, 4);
    context.fill();
    Object.assign(context, { fillStyle: colours.panel, textAlign: "left", textBaseline: "middle" });
    context.fillText(text, left + 7, top + 10.5);
  }
}

/** A scale in device pixels; `origin` is the column of x = 0. */
function strokeTrace(context, { trace, scale }, range, { ratio, origin }) {
  const { colour = "trace", chosen = false, dash = [] } = trace.style ?? {};
  const width = (chosen ? 2.75 : 1.5) * ratio;
  const dashes = (lengths) => lengths.map((length) => Math.round(length * ratio));
  if (!trace.steps) return strokePath(context, trace, scale, range, { strokeStyle: palette()[colour], lineWidth: width, dash: dashes(dash) });
  context.fillStyle = palette()[colour];
  trace.steps(stepPen(context, width, dashes(dash), origin), scale, range);
  for (const severity of trace.alarms(range)) {
    const alarm = ALARMS[severity] ?? ALARMS[3];
    context.fillStyle = palette()[alarm.colour];
    trace.alarmSteps(stepPen(context, ALARM_WIDTH * ratio, dashes(alarm.dash), origin), scale, range, severity);
  }
}

function strokePath(context, trace, scale, range, { dash, ...look }) {
  const path = new Path2D();
  trace.trace(path, scale, range);
  Object.assign(context, look, { lineJoin: "round" });
  context.setLineDash(dash);
  context.stroke(path);
}

/** The length of a range, rounded so that it does not depend on the time: times have seven decimals. */
function rounded(span) {
  return Math.round(span * 1e5) / 1e5 || span;
}

function unionOf(extents) {
  return /** @type {[number, number]} */ ([Math.min(Infinity, ...extents.map(([low]) => low)), Math.max(-Infinity, ...extents.map(([, high]) => high))]);
}

/** The labels that all traces of an axis have. */
function commonLabels(traces) {
  const [first, ...others] = traces.map((trace) => trace.labels?.());
  return others.every((labels) => labels?.join() === first?.join()) ? first : undefined;
}

/** The units that all traces of an axis have; "" if they differ. */
function commonUnits(traces) {
  const all = new Set(traces.map((trace) => trace.units()));
  return all.size === 1 ? [...all][0] : "";
}
