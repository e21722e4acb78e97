/** A heading between rows. The rows below it are its group. */
import { el } from "./dom.js";
import { LIMITS } from "./layout.js";

export class Heading {
  controls;

  /** @param {string} text @param {() => void} changed called when the text has changed */
  constructor(text, changed) {
    this.handle = el("button", { class: "handle", type: "button", title: "Move: drag, or Alt + arrow keys" }, "⠿");
    this.field = el("input", { class: "heading-text", type: "text", maxlength: String(LIMITS.heading), "aria-label": "Heading", on: { change: () => this.#named(changed) } });
    this.removal = el("button", { class: "remove", type: "button", title: "Remove the heading" }, "×");
    this.controls = [this.handle, this.field, this.removal];
    this.field.value = text;
    this.line = el("div", { class: "row heading", role: "row" },
      el("div", { class: "c-handle", role: "cell" }, this.handle),
      el("div", { class: "c-heading", role: "rowheader" }, this.field),
      el("div", { class: "c-remove", role: "cell" }, this.removal));
    this.element = el("div", { class: "entry group", role: "rowgroup" }, this.line);
    this.#named(() => {});
  }

  get text() {
    return this.field.value;
  }

  #named(changed) {
    this.handle.setAttribute("aria-label", `Move heading ${this.text}`);
    this.removal.setAttribute("aria-label", `Remove heading ${this.text}`);
    changed();
  }
}
