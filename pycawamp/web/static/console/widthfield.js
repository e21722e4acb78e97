/** Has an array of numbers shown as a picture: areaDetector's ArrayData has all but its width. */
import { el } from "./dom.js";
import { isWidth } from "./layout.js";

export class WidthField {
  #watch;
  #field;

  /** @param {() => void} changed the value is to be shown anew */
  constructor(watch, changed) {
    this.#watch = watch;
    this.#field = el("input", { type: "text", class: "limit", inputmode: "numeric", placeholder: "none", title: "Pixels per row, to show the array as a picture" });
    this.#field.value = watch.width > 0 ? String(watch.width) : "";
    this.#field.addEventListener("change", () => {
      watch.width = this.#typed();
      changed();
    });
    this.element = el("label", { class: "format", hidden: true }, el("span", {}, "Picture width"), this.#field);
  }

  paint() {
    const { update } = this.#watch;
    // Characters too: ArrayData of 8 bits comes as such.
    this.element.hidden = !ArrayBuffer.isView(update?.value) || update.codec || update.shape.length > 1;
  }

  #typed() {
    const text = this.#field.value.trim();
    const width = /^\d+$/.test(text) ? Number(text) : 0;
    this.#field.setAttribute("aria-invalid", String(!isWidth(width) && text !== ""));
    return isWidth(width) ? width : 0;
  }
}
