/** The large plot in a row's details, with its buttons. */
import { Chart } from "../plot/chart.js";
import { stripSeries, waveSeries } from "../plot/series.js";
import { el } from "./dom.js";

const SPANS = [[60, "1 min"], [300, "5 min"], [600, "10 min"]];
const USUAL_SPAN = 300;
const HELP = "Zoom: wheel, + and −, or drag. Scroll: Shift-drag or arrow keys. Reset: double-click or 0.";

export class Figure {
  #chart;
  #viewport;
  #reset;
  #spans;
  #redraw;

  /** @param {"number" | "array"} kind @param {() => void} redraw asks for a paint */
  constructor(watch, kind, clock, redraw) {
    const canvas = el("canvas", { class: "chart", tabindex: "0", role: "img", "aria-label": `${kind === "number" ? "Strip chart" : "Plot"} of ${watch.name}. ${HELP}`, title: HELP });
    const series = kind === "number" ? strip(watch, clock) : wave(watch);
    this.kind = kind;
    this.#redraw = redraw;
    this.#viewport = series.viewport;
    this.#chart = new Chart(canvas, series, redraw);
    this.#spans = kind === "number" ? SPANS.map(([seconds, label]) => this.#spanButton(seconds, label)) : [];
    this.#reset = el("button", { type: "button", on: { click: () => this.#show(() => this.#viewport.follow()) } }, kind === "number" ? "Live" : "All");
    this.element = el("figure", { class: "figure" }, canvas, el("figcaption", {}, ...this.#spans, this.#reset));
  }

  paint() {
    this.#chart.draw();
    this.#reset.disabled = !this.#viewport.zoomed;
    for (const button of this.#spans) {
      button.setAttribute("aria-pressed", String(this.#viewport.live && this.#viewport.span === Number(button.dataset.seconds)));
    }
  }

  release() {
    this.#chart.release();
  }

  #spanButton(seconds, label) {
    return el("button", { type: "button", data: { seconds }, on: { click: () => this.#show(() => this.#viewport.follow(seconds)) } }, label);
  }

  #show(change) {
    change();
    this.#redraw();
  }
}

function strip(watch, clock) {
  return stripSeries({ history: () => watch.history, now: () => clock.now(), started: () => clock.started, metadata: () => watch.metadata, seconds: USUAL_SPAN });
}

function wave(watch) {
  return waveSeries({ list: () => watch.update?.value ?? [], metadata: () => watch.metadata });
}
