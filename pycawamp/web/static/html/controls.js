/** Elements that write: all kinds of `<input>`, and `<select>`. They show the live value unless they are being edited. */
import { typedList, valueFrom } from "../view/entry.js";
import { isList, scalarText, textOf } from "../view/reading.js";
import { formatted, isRange } from "./displays.js";

/**
 * A text field. Enter writes the value; Escape and leaving the field discard it, so that an incomplete value is not
 * written because of a click elsewhere. With `data-put="change"`, leaving the field writes the value, too.
 */
export class FieldControl {
  #element;
  #put;
  #editing = false;

  constructor(element, put) {
    this.#element = element;
    this.#put = put;
  }

  get options() {
    return { text: true };
  }

  listen(signal, restore) {
    const on = (event, react) => this.#element.addEventListener(event, react, { signal });
    on("input", () => {
      this.#editing = true;
    });
    on("keydown", (event) => {
      if (event.key === "Enter") this.#commit();
      if (event.key === "Escape") this.#stop(restore);
    });
    if (this.#element.dataset.put === "change") on("change", () => this.#editing && this.#commit());
    on("blur", () => this.#stop(restore));
  }

  show(update, metadata) {
    if (this.#editing) return;
    const { format } = this.#element.dataset;
    // A number field accepts only numbers: with labels and units it would be empty.
    const bare = this.#element.type === "number" && !format;
    const text = bare ? scalarText(update.value, { ...metadata, enum_strs: undefined }) : this.#typed(update, metadata, format);
    if (this.#element.value !== text) this.#element.value = text;
  }

  blank() {
    if (!this.#editing) this.#element.value = "";
  }

  enable(writable) {
    this.#element.readOnly = !writable;
  }

  /** Strings of an array are quoted where necessary, so that writing them again does not change them. */
  #typed(update, metadata, format) {
    const { value } = update;
    const isStrings = !format && isList(value) && typeof value[0] === "string";
    return isStrings ? typedList(Array.from(value)) : formatted(update, metadata, format);
  }

  #commit() {
    this.#editing = false;
    this.#put((metadata) => valueFrom(this.#element.value, metadata));
  }

  #stop(restore) {
    if (!this.#editing) return;
    this.#editing = false;
    restore();
  }
}

/** A slider, which writes when it is released. Its range is that of its attributes, otherwise the PV's control limits. */
export class RangeControl {
  #element;
  #put;
  #held = false;
  #ownRange;

  constructor(element, put) {
    this.#element = element;
    this.#put = put;
    this.#ownRange = element.hasAttribute("min") || element.hasAttribute("max");
    if (!element.hasAttribute("step")) element.step = "any";
  }

  get options() {
    return {};
  }

  listen(signal) {
    this.#element.addEventListener("input", () => (this.#held = true), { signal });
    this.#element.addEventListener("change", () => {
      this.#held = false;
      this.#put(() => Number(this.#element.value));
    }, { signal });
  }

  show(update, metadata) {
    const limits = metadata?.control_limits;
    if (!this.#ownRange && isRange(limits)) Object.assign(this.#element, { min: limits[0], max: limits[1] });
    if (!this.#held) this.#element.value = update.value;
  }

  blank() {}

  enable(writable) {
    this.#element.disabled = !writable;
  }
}

/** A checkbox: it is checked unless the value is 0, and checking writes 1. */
export class CheckControl {
  #element;
  #put;

  constructor(element, put) {
    this.#element = element;
    this.#put = put;
  }

  get options() {
    return {};
  }

  listen(signal) {
    this.#element.addEventListener("change", () => this.#put(() => Number(this.#element.checked)), { signal });
  }

  show(update) {
    this.#element.indeterminate = false;
    this.#element.checked = Boolean(update.value);
  }

  blank() {
    this.#element.indeterminate = true;
  }

  enable(writable) {
    this.#element.disabled = !writable;
  }
}

/** A selection of the page's options, otherwise of the enum's labels. */
export class ChoiceControl {
  #element;
  #put;
  #own;

  constructor(element, put) {
    this.#element = element;
    this.#put = put;
    this.#own = element.options.length > 0;
  }

  get options() {
    return { text: true };
  }

  listen(signal) {
    this.#element.addEventListener("change", () => {
      const { value } = this.#element;
      this.#put((metadata) => (this.#own ? valueFrom(value, metadata) : Number(value)));
    }, { signal });
  }

  show(update, metadata) {
    if (!this.#own) this.#fill(metadata?.enum_strs ?? []);
    // The page's options may be labels. Those added here are indices, since labels may be numbers.
    const values = Array.from(this.#element.options, (each) => each.value);
    const byLabel = this.#own ? values.indexOf(textOf(update, metadata)) : -1;
    this.#element.selectedIndex = byLabel >= 0 ? byLabel : values.indexOf(String(update.value));
  }

  blank() {
    this.#element.selectedIndex = -1;
  }

  enable(writable) {
    this.#element.disabled = !writable;
  }

  #fill(labels) {
    const { options } = this.#element;
    const texts = labels.map((label, i) => label || String(i));
    if (options.length === texts.length && texts.every((text, i) => options[i].textContent === text)) return;
    this.#element.replaceChildren(...texts.map((text, i) => new Option(text, String(i))));
  }
}
