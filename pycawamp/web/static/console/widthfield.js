/** A field for the width of an array that is shown as a picture, such as areaDetector's ArrayData. */
import { el } from "./dom.js";
import { isWidth } from "./layout.js";

export class WidthField {
  #watch;
  #field;

  /** @param {() => void} changed called when the value must be painted again */
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
    // Including characters, since 8-bit ArrayData has this type.
    this.element.hidden = !ArrayBuffer.isView(update?.value) || update.codec || update.shape.length > 1;
  }

  #typed() {
    const text = this.#field.value.trim();
    const width = /^\d+$/.test(text) ? Number(text) : 0;
    this.#field.setAttribute("aria-invalid", String(!isWidth(width) && text !== ""));
    return isWidth(width) ? width : 0;
  }
}
