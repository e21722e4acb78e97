/** `<pv-chart pv="X" seconds="60">`: a number over time, or the elements of an array. */
import { Chart } from "../plot/chart.js";
import { History } from "../plot/history.js";
import { stripSeries, stripTrace, waveSeries, waveTrace } from "../plot/series.js";
import { Stamps } from "../plot/stamps.js";
import { isList, textOf } from "../view/reading.js";
import { define, PVElement, sheetOf } from "./element.js";

const SECONDS = 300;
/** Time between two paints (ms). */
const INTERVAL = 100;
const CSS = `
  :host { display: block; height: 240px; }
  canvas { display: block; width: 100%; height: 100%; background: var(--panel, #fff); }
`;

export class PVChartElement extends PVElement {
  #history = new History();
  #stamps = new Stamps();
  #isFirst = true;
  #kind = "";
  /** @type {Chart | null} */
  #chart = null;
  #timer = 0;

  static get observedAttributes() {
    return [...PVElement.observedAttributes, "seconds"];
  }

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheetOf(CSS)];
  }

  connectedCallback() {
    super.connectedCallback();
    this.#timer = setInterval(() => document.hidden || this.mark(), INTERVAL);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  record({ value, timestamp }) {
    if (typeof value !== "number") return;
    const { length } = this.#history;
    const last = length > 0 ? this.#history.time(length - 1) : -Infinity;
    this.#history.push(this.#stamps.place(timestamp, now(), last, this.#isFirst), value);
    this.#isFirst = false;
  }

  turned() {
    this.#isFirst = true;
    if (!this.handle?.connected && this.#history.length > 0) this.#history.push(now(), NaN);
  }

  reset() {
    this.#history = new History();
    this.#stamps = new Stamps();
    this.#isFirst = true;
    this.#kind = "";
    this.#chart?.release();
    this.#chart = null;
    this.shadowRoot?.replaceChildren();
  }

  show() {
    const { last } = this;
    if (last) this.#become(isList(last.value) ? "array" : "number");
    this.#chart?.draw();
  }

  #become(kind) {
    if (kind === this.#kind) return;
    this.#kind = kind;
    this.#chart?.release();
    const canvas = document.createElement("canvas");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${kind === "number" ? "Strip chart" : "Plot"} of ${this.pv}`);
    this.shadowRoot?.replaceChildren(canvas);
    this.#chart = new Chart(canvas, kind === "number" ? this.#strip() : this.#wave(), () => this.mark());
  }

  #strip() {
    const metadata = () => this.handle?.metadata ?? null;
    const utc = () => false;
    const trace = stripTrace({ samples: () => this.#history, now, utc, metadata, text: (value) => textOf({ value, count: 1 }, metadata()) });
    const seconds = Number(this.getAttribute("seconds")) || SECONDS;
    return stripSeries({ traces: () => [trace], now, reach: () => this.#history.seconds, utc, seconds });
  }

  #wave() {
    const list = () => /** @type {ArrayLike<number>} */ (this.last?.value ?? []);
    const trace = waveTrace({ list, metadata: () => this.handle?.metadata ?? null });
    return waveSeries({ traces: () => [trace], length: () => list().length });
  }
}

define("pv-chart", PVChartElement);

function now() {
  return Date.now() / 1000;
}
