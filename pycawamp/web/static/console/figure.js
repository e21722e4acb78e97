/** The large plot in a row's details, with its buttons. */
import { Chart } from "../plot/chart.js";
import { stripSeries, stripTrace, waveSeries, waveTrace } from "../plot/series.js";
import { formattedText } from "../view/format.js";
import { fullStamp } from "../view/time.js";
import { el, setText } from "./dom.js";
import { csvOfHistory, csvOfLists, download, fileName } from "./export.js";

const SPANS = [[60, "1 min"], [300, "5 min"], [600, "10 min"]];
const USUAL_SPAN = 300;
const HELP = "Zoom: wheel, + and −, or drag. Scroll: Shift-drag or arrow keys. Reset: double-click or 0.";

export class Figure {
  #watch;
  #clock;
  #canvas;
  #chart;
  #viewport;
  #reset;
  #spans;
  #log;
  #limits;
  #note = el("span", { class: "note", role: "status" });
  #redraw;
  /** The problem with the ends of the value axis, or "". */
  #rangeNote = "";

  /** @param {"number" | "array"} kind @param {() => void} redraw requests a paint */
  constructor(watch, kind, clock, redraw) {
    this.#watch = watch;
    this.#clock = clock;
    this.#canvas = el("canvas", { class: "chart", tabindex: "0", role: "img", "aria-label": `${kind === "number" ? "Strip chart" : "Plot"} of ${watch.name}. ${HELP}`, title: HELP });
    const series = kind === "number" ? strip(watch, clock) : wave(watch);
    this.kind = kind;
    this.#redraw = redraw;
    this.#viewport = series.viewport;
    this.#chart = new Chart(this.#canvas, series, redraw);
    this.#spans = kind === "number" ? SPANS.map(([seconds, label]) => this.#spanButton(seconds, label)) : [];
    this.#reset = button(kind === "number" ? "Live" : "All", "Return to the newest values", () => this.#show(() => this.#viewport.follow()));
    this.#log = button("Log", "Logarithmic value axis", () => this.#show(() => (this.#chart.axis.log = !this.#chart.axis.log)));
    this.#limits = ["Lowest", "Highest"].map((which) => this.#limit(`${which} value shown`));
    const saves = [button("CSV", "Save the values as a CSV file", () => this.#saveValues()), button("PNG", "Save the picture as a PNG file", () => this.#savePicture())];
    this.element = el("figure", { class: "figure" }, this.#canvas,
      el("figcaption", {}, this.#note, el("span", { class: "range" }, this.#limits[0], "…", this.#limits[1]), this.#log, ...saves, ...this.#spans, this.#reset));
  }

  /** Whether the passing of time has moved the trace since the last paint. */
  get moved() {
    return this.#chart.moved;
  }

  paint() {
    this.#chart.draw();
    const timeNote = this.kind === "number" ? this.#watch.timeNote || this.#watch.past.note : "";
    setText(this.#note, this.#rangeNote || timeNote);
    this.#reset.disabled = !this.#viewport.zoomed;
    this.#log.setAttribute("aria-pressed", String(this.#chart.axis.log));
    this.#log.hidden = Boolean(this.#watch.metadata?.enum_strs);
    for (const each of this.#spans) {
      each.setAttribute("aria-pressed", String(this.#viewport.live && this.#viewport.span === Number(each.dataset.seconds)));
    }
  }

  release() {
    this.#chart.release();
  }

  #spanButton(seconds, label) {
    return el("button", { type: "button", data: { seconds }, on: { click: () => this.#show(() => this.#viewport.follow(seconds)) } }, label);
  }

  #limit(label) {
    return el("input", { type: "text", class: "limit", inputmode: "decimal", placeholder: "auto", "aria-label": label, title: `${label}; empty: automatic`, on: { change: () => this.#show(() => this.#setRange()) } });
  }

  /** The axis is fixed when both ends are numbers. */
  #setRange() {
    const ends = this.#limits.map(({ value }) => (value.trim() === "" ? NaN : Number(value)));
    const [low, high] = ends;
    const isRange = ends.every(Number.isFinite) && low < high;
    const isUnfinished = this.#limits.some(({ value }) => value.trim() === "");
    const isAutomatic = this.#limits.every(({ value }) => value.trim() === "");
    for (const field of this.#limits) field.setAttribute("aria-invalid", String(!isRange && !isUnfinished));
    this.#rangeNote = isRange || isAutomatic ? "" : "To fix the value axis, enter two numbers, the lower one first.";
    this.#chart.axis.range = isRange ? [low, high] : null;
  }

  #saveValues() {
    const { name, update, metadata } = this.#watch;
    const samples = this.#watch.samples(this.#viewport.range);
    const text = this.kind === "number" ? csvOfHistory(name, samples, this.#viewport.range, metadata) : csvOfLists([{ name, list: update?.value ?? [] }]);
    download(fileName(name, this.#clock.now(), "csv"), new Blob([text], { type: "text/csv" }));
  }

  #savePicture() {
    const end = this.kind === "number" ? this.#viewport.range[1] : this.#clock.now();
    const title = titleOf(this.#watch.name, end, this.#clock.utc);
    const name = fileName(this.#watch.name, this.#clock.now(), "png");
    this.#chart.picture((blob) => blob && download(name, blob), title);
  }

  #show(change) {
    change();
    this.#redraw();
  }
}

/** The title of a plot, with the date, which the axis shows only if it is not today. */
export function titleOf(name, seconds, utc) {
  return `${name}, ${fullStamp(seconds, utc).split(" ")[0]}`;
}

function button(label, title, click) {
  return el("button", { type: "button", title, on: { click } }, label);
}

function strip(watch, clock) {
  const trace = stripTraceOf(watch, clock);
  return stripSeries({ traces: () => [trace], now: () => clock.now(), reach: () => clock.reach, utc: () => clock.utc, seconds: USUAL_SPAN });
}

function wave(watch) {
  const trace = waveTraceOf(watch);
  return waveSeries({ traces: () => [trace], length: () => watch.update?.value.length ?? 0 });
}

/** The trace of a number over time. */
export function stripTraceOf(watch, clock) {
  return stripTrace({
    samples: (range) => watch.samples(range),
    now: () => clock.now(),
    utc: () => clock.utc,
    metadata: () => watch.metadata,
    text: (value) => formattedText({ value, count: 1 }, watch.metadata, watch.format),
  });
}

/** The trace of an array. */
export function waveTraceOf(watch) {
  return waveTrace({ list: () => watch.update?.value ?? [], metadata: () => watch.metadata });
}
