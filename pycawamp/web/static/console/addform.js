/** The field that PV names are typed or pasted into. Enter adds; lines come in by paste. */
import { namesIn } from "./names.js";

export class AddForm {
  #field;

  /** @param {(names: string[]) => void} add */
  constructor(form, add) {
    this.#field = form.elements.names;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      add(namesIn(this.#field.value));
      this.#field.value = "";
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  focus() {
    this.#field.focus();
    this.#field.select();
  }
}
