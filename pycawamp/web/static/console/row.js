/** A watch as a row of the table. It is built once; then, only changes are written. */
import { Picture } from "../plot/picture.js";
import { Sparkline } from "../plot/sparkline.js";
import { formattedText } from "../view/format.js";
import { stamp } from "../view/time.js";
import { composedText, isComposed } from "./composed.js";
import { el, setClass, setText } from "./dom.js";
import { statusOf } from "./status.js";
import { arrayText } from "./valuetext.js";

/** The time range of trends in rows (s); details show more. */
const TREND_SECONDS = 120;
/** The kinds of values that have a trend, or a picture in its place. */
const DRAWN = ["number", "array", "image"];

export class Row {
  /** Whether it is visible. Other rows are not painted. */
  visible = false;
  /** @type {import("./details.js").Details | null} the details, if they are open */
  details = null;
  /** The painter's task for changes with time. */
  trendItem = { paint: () => this.paintTrend() };
  figureItem = { paint: () => this.details?.paintFigure() };
  #clock;
  #trend;
  /** The cell of the trend. */
  #cell;
  /** @type {Picture | null} a small picture, while the row is visible */
  #picture = null;
  #pictured = null;
  #value = el("span", { class: "value" });
  #units = el("span", { class: "units" });
  #badge = el("span", { class: "badge" });
  #shape = el("span", { class: "shape", "aria-hidden": "true" });
  #state = el("span");
  #axis = el("span", { class: "axis", hidden: true }, "by element");
  #description = el("span", { class: "description", hidden: true });
  #time = el("div", { class: "c-time", role: "cell" });

  constructor(watch, clock) {
    this.watch = watch;
    this.#clock = clock;
    const { name } = watch;
    const canvas = el("canvas", { class: "trend", "aria-hidden": "true" });
    this.#trend = new Sparkline(canvas, () => this.visible && this.paintTrend());
    this.handle = el("button", { class: "handle", type: "button", "aria-label": `Move ${name}`, title: "Move: drag, or Alt + arrow keys" }, "⠿");
    this.toggle = el("button", { class: "name", type: "button", "aria-expanded": "false", title: name }, name);
    this.removal = el("button", { class: "remove", type: "button", "aria-label": `Remove ${name}`, title: "Remove" }, "×");
    this.#cell = el("div", { class: "c-trend", role: "cell" }, canvas, this.#axis);
    this.#badge.append(this.#shape, this.#state);
    this.line = el("div", { class: "row", role: "row" },
      el("div", { class: "c-handle", role: "cell" }, this.handle),
      el("div", { class: "c-name", role: "rowheader" }, this.toggle, this.#description),
      el("div", { class: "c-value", role: "cell" }, this.#value, this.#units),
      el("div", { class: "c-state", role: "cell" }, this.#badge),
      this.#cell,
      this.#time,
      el("div", { class: "c-remove", role: "cell" }, this.removal));
    this.element = el("div", { class: "entry", role: "rowgroup" }, this.line);
  }

  get controls() {
    return [this.handle, this.toggle, this.removal];
  }

  show(visible) {
    this.visible = visible;
    if (visible) return;
    this.#trend.release();
    this.#picture?.release();
    this.#picture = this.#pictured = null;
  }

  paint() {
    const { watch } = this;
    const status = statusOf(watch);
    setClass(this.line, `row is-${status.name}`);
    setText(this.#shape, status.shape);
    setText(this.#state, status.badge);
    if (this.#badge.title !== status.hint) this.#badge.title = status.hint;
    this.#paintValue(watch.update, watch.metadata);
    this.details?.paint();
  }

  /** @param {string} text the description of the PV */
  describe(text) {
    setText(this.#description, text);
    this.#description.title = text;
    this.#description.hidden = text === "";
  }

  fold(details) {
    this.details?.close();
    this.details = details;
    this.toggle.setAttribute("aria-expanded", String(details !== null));
    if (details) this.element.append(details.element);
  }

  paintTrend() {
    const { watch } = this;
    this.#cell.classList.toggle("empty", !DRAWN.includes(watch.kind));
    this.#axis.hidden = watch.kind !== "array";
    if (watch.kind === "number") this.#trend.drawHistory(watch.history, this.#clock.now(), TREND_SECONDS);
    else if (watch.kind === "array") this.#trend.drawList(watch.update?.value ?? []);
    else if (watch.kind === "image" && watch.update) this.#paintPicture(watch.update);
  }

  #paintPicture(update) {
    this.#picture ??= new Picture(() => this.visible && this.paintTrend());
    if (update !== this.#pictured) this.#picture.show(update, this.watch.width, null, "Grey");
    this.#pictured = update;
    this.#trend.drawPicture(this.#picture);
  }

  #paintValue(update, metadata) {
    if (!update) return;
    const { kind } = this.watch;
    const text = isComposed(kind) ? composedText(this.watch) : kind === "array" ? arrayText(update.value) : formattedText(update, metadata, this.watch.format);
    setClass(this.#value, kind === "number" ? "value" : "value wordy");
    setText(this.#value, text);
    if (this.#value.title !== text) this.#value.title = text;
    setText(this.#units, update.units ?? "");
    setText(this.#time, stamp(update.timestamp, this.#clock.live(), this.#clock.utc));
  }
}
