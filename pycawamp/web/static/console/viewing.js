/** Controls for the number format of a PV, and for copying its value or a link to it. */
import { FORMATS, formattedText } from "../view/format.js";
import { isList } from "../view/reading.js";
import { linkTo } from "./address.js";
import { copied } from "./copy.js";
import { el, setText } from "./dom.js";

export class Viewing {
  #watch;
  #select;
  #label;
  #copyValue;
  #outcome = el("output", { class: "outcome", role: "status" });

  /** @param {() => void} changed called when the value must be painted again */
  constructor(watch, changed) {
    this.#watch = watch;
    this.#select = el("select", {}, ...Object.entries(FORMATS).map(([key, { label }]) => el("option", { value: key }, label)));
    this.#select.addEventListener("change", () => {
      watch.format = this.#select.value;
      changed();
    });
    this.#label = el("label", { class: "format" }, el("span", {}, "Format"), this.#select);
    this.#copyValue = this.#copy("Copy value", () => this.#value());
    this.element = el("div", { class: "viewing" }, this.#label, this.#copyValue, this.#copy("Copy link", () => linkTo(this.#watch.item)), this.#outcome);
    this.element.append(el("button", { type: "button", class: "to-chart", title: "Show it in a chart with other PVs (key: c)", on: { click: () => this.#toChart() } }, "Add to chart"));
  }

  paint() {
    const { kind, metadata, update } = this.#watch;
    this.#copyValue.disabled = !update;
    this.#label.hidden = kind !== "number" || Boolean(metadata?.enum_strs);
    if (this.#select.value !== this.#watch.format) this.#select.value = this.#watch.format;
  }

  #copy(label, text) {
    const click = async () => setText(this.#outcome, (await copied(text())) ? "✓ Copied" : "✕ The browser does not let this page copy");
    return el("button", { type: "button", on: { click } }, label);
  }

  /** Dispatches an event, which the owner of the charts handles. */
  #toChart() {
    this.element.dispatchEvent(new CustomEvent("tochart", { bubbles: true, detail: this.#watch.name }));
  }

  #value() {
    const { update, metadata, format, kind } = this.#watch;
    if (!update) return "";
    return kind === "array" && isList(update.value) ? Array.from(update.value).join(" ") : formattedText(update, metadata, format);
  }
}
