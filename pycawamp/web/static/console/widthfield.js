/** Has an array of numbers shown as a picture: areaDetector's ArrayData has all but its width. */
import { el } from "./dom.js";

export class WidthField {
  #watch;
  #field;

  /** @param {() => void} changed the value is to be shown anew */
  constructor(watch, changed) {
    this.#watch = watch;
    this.#field = el("input", { type: "text", class: "limit", inputmode: "numeric", placeholder: "none", title: "Pixels per row, to show the array as a picture" });
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
    const isWidth = /^[1-9]\d{0,5}$/.test(text);
    this.#field.setAttribute("aria-invalid", String(!isWidth && text !== ""));
    return isWidth ? Number(text) : 0;
  }
}
