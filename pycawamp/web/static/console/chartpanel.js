/** One chart of several PVs: the plot, its legend and its buttons. */
import { Chart } from "../plot/chart.js";
import { stripTrace, timeAxis, waveSeries, waveTrace } from "../plot/series.js";
import { timelineOf } from "../plot/views.js";
import { el, setClass, setText } from "./dom.js";
import { csvOfHistories, csvOfLists, download, fileName } from "./export.js";
import { stripTraceOf, titleOf, waveTraceOf } from "./figure.js";
import { statusOf } from "./status.js";
import { valueText } from "./valuetext.js";
import { Watch } from "./watch.js";

/** Maximum number of PVs in a chart. */
const MAX_PVS = 24;
/** The kinds of values that make a trace. */
export const CHARTED = ["number", "array"];
const COLOURS = 8;
const SPANS = [[60, "1 min"], [300, "5 min"], [600, "10 min"], [3600, "1 h"], [86400, "1 d"], [604800, "1 w"]];
const AXES = { one: "One axis", units: "Axis per unit", own: "Axis per PV" };
const HELP = "Zoom: wheel, + and −, or drag. Scroll: Shift-drag or arrow keys. Reset: double-click or 0.";
/** The style of pinned traces, which show the same PVs at an earlier time. */
const PINNED = [2, 3];

export class ChartPanel {
  /** When it was last painted, in milliseconds since the page was opened. */
  painted = -Infinity;
  #context;
  /** @type {{watch: Watch, number: number, hidden: boolean, strip: any, wave: any, row: any}[]} */
  #lines = [];
  /** @type {{at: number, traces: object[]} | null} */
  #pin = null;
  #axes = "units";
  #chosen = "";
  #kind = "";
  #wave;
  #canvas;
  #chart;
  #note = el("span", { class: "note", role: "status" });
  #legend = el("ul", { class: "chart-legend" });
  #buttons;
  #select;
  #spans;

  constructor(names, context) {
    this.#context = context;
    this.#canvas = el("canvas", { class: "chart", tabindex: "0", role: "img", title: HELP });
    this.#wave = waveSeries({ traces: () => this.#traces(), length: () => Math.max(1, ...this.#lines.map(({ watch }) => watch.update?.value?.length ?? 0)) });
    this.#chart = new Chart(this.#canvas, this.#series(), () => context.redraw());
    this.#select = el("select", { "aria-label": "Value axes", on: { change: () => this.#show(() => (this.#axes = this.#select.value)) } }, ...Object.entries(AXES).map(([value, label]) => el("option", { value }, label)));
    this.#select.value = this.#axes;
    this.#buttons = {
      pin: button("Pin", "Keep the present traces for comparison", () => this.#togglePin()),
      log: button("Log", "Logarithmic value axis", () => this.#show(() => (this.#chart.axis.log = !this.#chart.axis.log))),
      csv: button("CSV", "Save the values as a CSV file", () => this.#saveValues()),
      png: button("PNG", "Save the picture as a PNG file", () => this.#savePicture()),
      live: button("Live", "Return to the newest values", () => this.#show(() => this.#viewport.follow())),
      close: button("Close", "Remove this chart", () => context.emptied(this)),
    };
    this.#spans = SPANS.map(([seconds, label]) => el("button", { type: "button", data: { seconds }, on: { click: () => this.#show(() => this.#viewport.follow(Number(seconds))) } }, String(label)));
    const { pin, log, csv, png, live, close } = this.#buttons;
    this.element = el("figure", { class: "figure multi" }, this.#canvas, this.#legend, el("figcaption", {}, this.#note, this.#select, pin, log, csv, png, ...this.#spans, live, close));
    for (const name of names.slice(0, MAX_PVS)) this.add(name);
  }

  get names() {
    return this.#lines.map(({ watch }) => watch.name);
  }

  /** Whether a PV can be in this chart: numbers over time and arrays by element have different axes. */
  accepts(watch) {
    const kind = watch?.update ? watch.kind : this.#kind;
    return this.#kind === "" || kind === this.#kind;
  }

  /** @param {string} name @returns {boolean} whether the chart was not full */
  add(name) {
    const { gateway, clock, known, rate, redraw } = this.#context;
    if (this.#lines.length >= MAX_PVS) return false;
    const on = { changed: () => clock.paused || redraw(), counted: () => {}, now: () => clock.live(), archived: () => clock.archived };
    const watch = new Watch(gateway, name, rate(), on);
    const shown = known(name);
    if (shown) watch.follow(shown);
    if (clock.paused) watch.freeze();
    const used = new Set(this.#lines.map(({ number }) => number));
    const number = Array.from({ length: MAX_PVS }, (_, i) => i).find((i) => !used.has(i)) ?? 0;
    const line = { watch, number, hidden: false, strip: stripTraceOf(watch, clock), wave: waveTraceOf(watch), row: this.#legendRow(watch, number) };
    this.#lines.push(line);
    this.#legend.append(line.row.element);
    return true;
  }

  /** Whether the passing of time has moved the traces since the last paint. */
  get moved() {
    return this.#chart.moved;
  }

  paint() {
    this.painted = performance.now();
    this.#kind ||= this.#lines.find(({ watch }) => watch.update && CHARTED.includes(watch.kind))?.watch.kind ?? "";
    const isTime = this.#kind !== "array";
    this.#chart.draw();
    this.#paintLegend();
    const { live, log, pin } = this.#buttons;
    live.disabled = !this.#viewport.zoomed;
    log.setAttribute("aria-pressed", String(this.#chart.axis.log));
    pin.setAttribute("aria-pressed", String(this.#pin !== null));
    for (const each of this.#spans) {
      const seconds = Number(each.dataset.seconds);
      each.hidden = !isTime || seconds > this.#context.clock.reach;
      each.setAttribute("aria-pressed", String(this.#viewport.live && this.#viewport.span === seconds));
    }
    setText(this.#note, this.#lines.map(({ watch }) => watch.timeNote || watch.past.note).find(Boolean) ?? "");
    const label = `${isTime ? "Strip chart" : "Plot"} of ${this.names.join(", ")}. ${HELP}`;
    if (this.#canvas.getAttribute("aria-label") !== label) this.#canvas.setAttribute("aria-label", label);
  }

  freeze(frozen) {
    for (const { watch } of this.#lines) frozen ? watch.freeze() : watch.thaw();
  }

  setRate(rate) {
    for (const { watch } of this.#lines) watch.setRate(rate);
  }

  clockChanged() {
    for (const { watch } of this.#lines) watch.clockChanged();
  }

  close() {
    for (const { watch } of this.#lines) watch.close();
    this.#chart.release();
    this.element.remove();
  }

  get #viewport() {
    return this.#kind === "array" ? this.#wave.viewport : this.#context.viewport;
  }

  /** The kind of the chart, which is known when the first value has arrived. */
  #series() {
    const { clock } = this.#context;
    const time = timeAxis(() => clock.now(), () => clock.utc);
    const isWave = () => this.#kind === "array";
    return {
      viewport: forwarded(() => this.#viewport),
      traces: () => this.#traces(),
      xTicks: (range, target) => (isWave() ? this.#wave : time).xTicks(range, target),
      xName: () => (isWave() ? this.#wave : time).xName(),
      xText: (x) => (isWave() ? this.#wave : time).xText(x),
    };
  }

  #traces() {
    const isWave = this.#kind === "array";
    const shown = this.#lines.filter(({ hidden, watch }) => !hidden && (!watch.update || watch.kind === (isWave ? "array" : "number")));
    const traces = shown.map((line) => ({ ...(isWave ? line.wave : line.strip), style: this.#style(line) }));
    return [...(this.#pin ? this.#pin.traces : []), ...traces];
  }

  #style({ watch, number }) {
    const units = watch.metadata?.units ?? "";
    const kind = watch.metadata?.enum_strs?.join() ?? "";
    const axis = { one: "", units: `${units} ${kind}`, own: watch.name }[this.#axes] ?? "";
    return { colour: colourOf(number), tag: String(number + 1), axis, chosen: this.#chosen === watch.name };
  }

  #togglePin() {
    this.#show(() => {
      this.#pin = this.#pin ? null : { at: this.#context.clock.now(), traces: this.#pinned() };
    });
  }

  /** Pins the current traces, so that they stay in the plot. */
  #pinned() {
    const { clock } = this.#context;
    const range = /** @type {[number, number]} */ ([...this.#viewport.range]);
    return this.#lines.filter(({ hidden }) => !hidden).map((line) => {
      const { watch } = line;
      const style = { ...this.#style(line), tag: "", dash: PINNED, chosen: false };
      if (this.#kind === "array") {
        const list = Float64Array.from(watch.update?.value ?? [], Number);
        return { ...waveTrace({ list: () => list, metadata: () => watch.metadata }), style };
      }
      const copy = copyOf(watch.samples(range), range);
      const trace = stripTrace({ samples: () => copy, now: () => range[1], utc: () => clock.utc, metadata: () => watch.metadata, text: String });
      const shift = () => this.#viewport.range[1] - range[1];
      const extent = ([from, to], above) => trace.extent([from - shift(), to - shift()], above);
      return { ...trace, extent, shift, alarms: () => [], limits: () => [], read: () => null, style };
    });
  }

  #legendRow(watch, number) {
    const swatch = el("span", { class: `swatch ${colourOf(number)}`, "aria-hidden": "true" }, String(number + 1));
    const toggle = el("button", { type: "button", class: "legend-name", "aria-pressed": "true", title: `${watch.name}: show or hide` }, swatch, el("span", {}, watch.name));
    const value = el("span", { class: "legend-value" });
    const state = el("span", { class: "badge" });
    const choose = button("Axis", `Emphasize ${watch.name}, and show its axis and limits`, () => this.#show(() => (this.#chosen = this.#chosen === watch.name ? "" : watch.name)));
    const remove = el("button", { type: "button", class: "remove", "aria-label": `Remove ${watch.name} from the chart`, title: "Remove from the chart" }, "×");
    toggle.addEventListener("click", () => this.#show(() => {
      const line = this.#lines.find((each) => each.watch === watch);
      if (line) line.hidden = !line.hidden;
    }));
    remove.addEventListener("click", () => this.#drop(watch));
    return { element: el("li", {}, toggle, value, state, choose, remove), toggle, value, state, choose, remove };
  }

  #paintLegend() {
    const { cursor } = this.#chart;
    const range = this.#viewport.range;
    for (const { watch, hidden, strip, wave, row } of this.#lines) {
      const status = statusOf(watch);
      const read = cursor === null ? null : (this.#kind === "array" ? wave : strip).read(cursor, range);
      setText(row.value, read ? read.text : valueText(watch));
      row.value.classList.toggle("at-cursor", read !== null);
      setClass(row.state, `badge is-${status.name}`);
      setText(row.state, `${status.shape} ${status.badge}`);
      row.toggle.setAttribute("aria-pressed", String(!hidden));
      row.choose.setAttribute("aria-pressed", String(this.#chosen === watch.name));
    }
  }

  #drop(watch) {
    if (this.#lines.length === 1) return this.#context.emptied(this);
    const place = this.#lines.findIndex((line) => line.watch === watch);
    const [{ row }] = this.#lines.splice(place, 1);
    watch.close();
    row.element.remove();
    this.#lines[Math.min(place, this.#lines.length - 1)].row.remove.focus();
    this.#context.changed();
  }

  /** Of the traces that are shown. */
  #saveValues() {
    const range = /** @type {[number, number]} */ ([...this.#viewport.range]);
    const watches = this.#lines.filter(({ hidden }) => !hidden).map(({ watch }) => watch);
    const text = this.#kind === "array"
      ? csvOfLists(watches.map(({ name, update }) => ({ name, list: update?.value ?? [] })))
      : csvOfHistories(watches.map((watch) => ({ name: watch.name, history: watch.samples(range), units: watch.metadata?.units ?? "" })), range);
    download(fileName(this.names.join("_"), this.#context.clock.now(), "csv"), new Blob([text], { type: "text/csv" }));
  }

  #savePicture() {
    const { clock } = this.#context;
    const name = fileName(this.names.join("_"), clock.now(), "png");
    const names = this.names.map((each, i) => `${this.#lines[i].number + 1} ${each}`).join("   ");
    const end = this.#kind === "array" ? clock.now() : this.#viewport.range[1];
    this.#chart.picture((blob) => blob && download(name, blob), titleOf(names, end, clock.utc));
  }

  #show(change) {
    change();
    this.#context.redraw();
  }
}

function button(label, title, click) {
  return el("button", { type: "button", title, on: { click } }, label);
}

function colourOf(number) {
  return `series-${(number % COLOURS) + 1}`;
}

/** A viewport that can be replaced. */
function forwarded(target) {
  return {
    get range() {
      return target().range;
    },
    zoom: (factor, at) => target().zoom(factor, at),
    pan: (part) => target().pan(part),
    select: (one, other) => target().select(one, other),
    follow: (span) => target().follow(span),
  };
}

/** A copy of the samples in a range. */
function copyOf(timeline, [from, to]) {
  const [first, last] = [Math.max(0, timeline.indexOf(from) - 1), timeline.indexOf(to)];
  const pick = (name) => Float64Array.from({ length: Math.max(0, last - first) }, (_, i) => timeline[name](first + i));
  return timelineOf({ pvname: "", timestamps: pick("time"), values: pick("value"), severities: Uint8Array.from(pick("severity")) });
}
