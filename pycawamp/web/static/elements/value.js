/** `<pv-value pv="X" format="%.2f" units>`: a value as text. Its content is shown while there is none. */
import { formatted } from "../html/displays.js";
import { alarmOf } from "../view/alarm.js";
import { isEmpty } from "../view/reading.js";
import { define, PVElement, sheetOf } from "./element.js";

/** Marks and outlines in addition to the colours. */
const CSS = `
  :host { padding-inline: 4px; font-variant-numeric: tabular-nums; }
  :host([data-state="minor"]) { background: #ffe38a; color: #3b2a00; outline: 2px solid #b07900; }
  :host([data-state="major"]) { background: #b3151b; color: #fff; outline: 2px double #fff; outline-offset: -3px; }
  :host([data-state="invalid"]) { background: #7a1fa2; color: #fff; outline: 2px dashed #fff; outline-offset: -3px; }
  :host([data-state="disconnected"]) { color: #6b6f76; outline: 1px dotted currentColor; }
  [hidden] { display: none; }
`;

export class PVValueElement extends PVElement {
  #mark;
  #value;
  #slot;

  static get observedAttributes() {
    return [...PVElement.observedAttributes, "format", "units"];
  }

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheetOf(CSS)];
    [this.#mark, this.#value, this.#slot] = ["span", "span", "slot"].map((tag) => document.createElement(tag));
    this.#mark.setAttribute("part", "mark");
    this.#mark.setAttribute("aria-hidden", "true");
    this.#value.setAttribute("part", "value");
    root.append(this.#mark, this.#value, this.#slot);
  }

  show() {
    const { last, handle } = this;
    const shown = handle?.connected && last && !isEmpty(last) ? last : null;
    const alarm = alarmOf(last);
    this.#slot.hidden = shown !== null;
    this.#value.hidden = shown === null;
    this.#mark.hidden = !shown || alarm.name === "ok";
    this.#mark.textContent = `${alarm.shape} `;
    if (!shown) return;
    const units = this.getAttribute("units");
    const unit = units === null ? "" : units || shown.units || "";
    this.#value.textContent = `${formatted(shown, handle?.metadata, this.getAttribute("format"))}${unit ? ` ${unit}` : ""}`;
  }
}

define("pv-value", PVValueElement);
