/** Elements that show a value: `<meter>` and `<progress>` as a bar, others as text. */
import { printf } from "../view/printf.js";
import { isList, textOf } from "../view/reading.js";

const EMPTY = "—";
const SHOWN_ELEMENTS = 8;

/** Text in an element. Its original content is shown while there is no value. */
export class TextDisplay {
  #element;
  #placeholder;

  constructor(element) {
    this.#element = element;
    this.#placeholder = element.textContent.trim() || EMPTY;
  }

  get options() {
    return { text: true };
  }

  show(update, metadata) {
    const { format, units } = this.#element.dataset;
    const text = formatted(update, metadata, format);
    const unit = units === undefined ? "" : units || update.units || "";
    this.#write(unit ? `${text} ${unit}` : text);
  }

  blank() {
    this.#write(this.#placeholder);
  }

  #write(text) {
    if (this.#element.textContent !== text) this.#element.textContent = text;
  }
}

/** A bar. Its range is that of its attributes, otherwise the PV's display limits. */
export class BarDisplay {
  #element;
  #own;

  constructor(element) {
    this.#element = element;
    this.#own = new Set(["min", "max", "low", "high"].filter((name) => element.hasAttribute(name)));
  }

  get options() {
    return { text: true };
  }

  show(update, metadata) {
    if (metadata) this.#range(metadata);
    if (Number.isFinite(update.value)) this.#element.value = update.value;
    else this.#element.removeAttribute("value");
    // Bars are drawn by the browser; their text is for screen readers.
    this.#element.setAttribute("aria-valuetext", textOf(update, metadata));
  }

  blank() {
    this.#element.removeAttribute("value");
    this.#element.setAttribute("aria-valuetext", EMPTY);
  }

  #range({ display_limits: display, warning_limits: warning }) {
    if (isRange(display)) this.#set({ min: display[0], max: display[1] });
    if (isRange(warning)) this.#set({ low: warning[0], high: warning[1] });
  }

  #set(attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (!this.#own.has(name) && name in this.#element) this.#element[name] = value;
    }
  }
}

/** Whether limits are usable: both are zero if the record has none, and null means no limit on that side. */
export function isRange(limits) {
  return limits !== undefined && limits.every(Number.isFinite) && limits[0] < limits[1];
}

/** A value in the page's format; without one, as the gateway formats it. */
export function formatted(update, metadata, format) {
  const text = textOf(update, metadata);
  if (!format) return text;
  if (!isList(update.value)) return one(format, update.value, text);
  const shown = Array.from(update.value.slice(0, SHOWN_ELEMENTS), (item) => one(format, item, String(item)));
  return shown.join(", ") + (update.value.length > SHOWN_ELEMENTS ? ", …" : "");
}

/** With a numeric format, texts are shown unchanged. */
function one(format, value, text) {
  const asText = typeof value === "string" && !/%[-\d.]*s/.test(format);
  return asText ? text : printf(format, value, text);
}
