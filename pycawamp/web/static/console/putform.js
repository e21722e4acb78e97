/** The controls for writing: a field, buttons of an enum, steps. They are shown only if the gateway allows this user to write. */
import { jsonOf } from "../client/json.js";
import { FLOATS, INTEGERS, UNWRITABLE, lengthWarning, limitWarning, typedList, valueFrom } from "../view/entry.js";
import { formattedText } from "../view/format.js";
import { exactValue, isList, textOf } from "../view/reading.js";
import { confirmed } from "./confirm.js";
import { el, setText } from "./dom.js";
import { failureText } from "./failure.js";

const LISTS = { string: 'new values: one, "two words", …' };
/** Maximum number of elements of an array that are shown in the outcome. */
const MAX_LISTED = 8;
/** Maximum number of buttons. For more labels there is a drop-down list. */
const MAX_BUTTONS = 8;

export class PutForm {
  #watch;
  /** What the user edits: an input, a select, or a group of buttons. */
  #field = /** @type {any} */ (null);
  #shape = "";
  #isBusy = false;
  /** The value before the last write, or undefined. */
  #before;
  #write = el("button", { type: "submit" }, "Write");
  #steps;
  #outcome = el("output", { class: "outcome", role: "status" });
  #undo = el("button", { type: "button", class: "undo", hidden: true, on: { click: () => this.#takeBack() } }, "Undo");
  #slot = el("span", { class: "field" });

  #account;

  /** @param {import("./watch.js").Watch} watch @param {import("./account.js").Account} account */
  constructor(watch, account) {
    this.#watch = watch;
    this.#account = account;
    const submit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.#steps = [["−", -1, "down"], ["+", 1, "up"]].map(([sign, by, way]) =>
      el("button", { type: "button", class: "step", "aria-label": `One step ${way}`, on: { click: () => this.#step(Number(by)) } }, String(sign)));
    this.element = el("form", { class: "put", autocomplete: "off", hidden: true, on: { submit, input: () => this.#showOutcome("", "") } },
      this.#slot, ...this.#steps, this.#write, el("div", { class: "result" }, this.#outcome, this.#undo));
  }

  paint() {
    const { metadata, pv } = this.#watch;
    // With pvAccess, it is unknown whether the IOC allows writes until one is tried.
    const allowed = (metadata?.write_access === true || metadata?.write_access === null) && !UNWRITABLE.includes(metadata.type);
    this.element.hidden = !allowed;
    if (!allowed) return;
    this.#shapeField(metadata);
    const isReady = pv.connected && !this.#isBusy;
    for (const button of [this.#write, this.#undo, ...this.#steps, ...this.#choices()]) button.disabled = !isReady;
    this.#choices().forEach((button, i) => button.setAttribute("aria-pressed", String(pv.last?.value === i)));
  }

  focus() {
    (this.#choices()[0] ?? this.#field)?.focus();
  }

  #choices() {
    return this.#field?.role === "group" ? [...this.#field.children] : [];
  }

  #shapeField(metadata) {
    const shape = JSON.stringify([metadata.type, metadata.count, metadata.enum_strs, metadata.precision]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const label = `New value of ${this.#watch.name}`;
    const labels = metadata.count === 1 ? metadata.enum_strs ?? [] : [];
    this.#field = labels.length > MAX_BUTTONS ? choice(label, labels) : labels.length > 0 ? this.#buttons(label, labels) : entry(label, metadata);
    this.#slot.replaceChildren(this.#field);
    this.#write.hidden = this.#choices().length > 0;
    const step = stepOf(metadata);
    for (const button of this.#steps) {
      button.hidden = step === null;
      button.title = `Write the current value ${button.textContent} ${step}`;
    }
  }

  #buttons(label, labels) {
    const buttons = labels.map((text, i) => el("button", { type: "button", on: { click: () => this.#confirmAndPut(i) } }, text || String(i)));
    return el("div", { class: "choices", role: "group", "aria-label": label }, ...buttons);
  }

  #submit() {
    let value;
    try {
      // The value of a select is an index. As text, it might match another label that is a number.
      value = this.#field.tagName === "SELECT" ? Number(this.#field.value) : valueFrom(this.#field.value, this.#watch.metadata);
    } catch (error) {
      return this.#showOutcome("failed", error.message);
    }
    return this.#confirmAndPut(value);
  }

  #step(by) {
    const { metadata, pv } = this.#watch;
    const step = stepOf(metadata) ?? 0;
    // Numbers beyond 2^53 may have been rounded.
    if (typeof pv.last?.value !== "number" || !(Math.abs(pv.last.value) <= Number.MAX_SAFE_INTEGER)) return this.#showOutcome("failed", "There is no value to step from.");
    // Sums of decimal fractions have rounding errors.
    return this.#confirmAndPut(Number((pv.last.value + by * step).toPrecision(15)));
  }

  /** Writes a value, after a confirmation if it may be unintended. */
  async #confirmAndPut(value) {
    const { metadata, name, pv } = this.#watch;
    this.#showOutcome("", "");
    const warning = limitWarning(value, metadata) ?? lengthWarning(value, pv.last?.value);
    if (warning && !(await confirmed(`Write ${name}?`, `${warning} Write it anyway?`, "Write anyway"))) {
      return this.#showOutcome("", "Not written.");
    }
    await this.#put(value, "Wrote");
  }

  #takeBack() {
    return this.#put(this.#before, "Undone: wrote");
  }

  async #put(value, did) {
    const { metadata, pv } = this.#watch;
    const before = writable(pv.last, metadata);
    const start = performance.now();
    this.#busy(true);
    this.#showOutcome("", "Writing…");
    try {
      await pv.put(value);
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      this.#before = did === "Wrote" ? before : undefined;
      this.#showOutcome("done", `✓ ${did} ${this.#valueText(value)} in ${seconds} s`);
      if ("value" in this.#field) this.#field.value = "";
      await this.#showReadback(value);
    } catch (error) {
      this.#showOutcome("failed", `✕ ${failureText(error, this.#account.mayHelp)}`);
    } finally {
      this.#busy(false);
    }
  }

  /** Shows the record's value after a write, which may differ from the written one because of DRVL and DRVH. */
  async #showReadback(written) {
    const { format, metadata, pv } = this.#watch;
    try {
      const update = await pv.get();
      const held = writable(update, metadata);
      // Equal values are shown with all digits, since a rounded one would look different.
      const text = held === written || typeof held !== "number" ? this.#valueText(held) : formattedText(update, metadata, format);
      setText(this.#outcome, `${this.#outcome.textContent}; the PV now has ${text}`);
    } catch {
      // The write itself has succeeded.
    }
  }

  #valueText(value) {
    const { format, metadata } = this.#watch;
    if (isList(value)) return value.length > MAX_LISTED ? `${value.length} elements` : typedList(Array.from(value, String));
    if (typeof value === "string") return `“${value}”`;
    if (value === undefined) return "no value";
    if (value !== null && typeof value === "object") return jsonOf(value);
    const isPlain = format === "record" && !metadata?.enum_strs;
    return isPlain ? String(value) : formattedText({ value, count: 1 }, metadata, format);
  }

  #busy(isBusy) {
    this.#isBusy = isBusy;
    this.paint();
  }

  #showOutcome(kind, text) {
    this.#outcome.className = `outcome ${kind}`.trim();
    setText(this.#outcome, text);
    this.#undo.hidden = kind !== "done" || this.#before === undefined;
  }
}

/** The size of a step, or null if there are no steps. */
function stepOf({ type, count, precision = 0, enum_strs: labels }) {
  if (count !== 1 || labels) return null;
  if (INTEGERS.includes(type)) return 1;
  return FLOATS.includes(type) ? Number(`1e-${Math.min(Math.max(precision, 0), 15)}`) : null;
}

/** A value in a form that can be written; undefined if there is none. */
function writable(update, metadata) {
  if (!update || update.count === 0 && !isList(update.value)) return undefined;
  return metadata.type === "char" && metadata.count !== 1 ? textOf(update, metadata) : exactValue(update, metadata);
}

function choice(label, labels) {
  const options = labels.map((text, i) => el("option", { value: String(i) }, text || String(i)));
  return el("select", { "aria-label": label, required: true }, el("option", { value: "", disabled: true, selected: true }, "choose…"), ...options);
}

function entry(label, { type, count }) {
  const isNumber = type !== "string" && type !== "char";
  const placeholder = type === "structure" ? '{"field": value}' : count === 1 || type === "char" ? "new value" : LISTS[type] ?? "new values: 1, 2, 3, …";
  return el("input", { type: "text", "aria-label": label, placeholder, inputmode: isNumber && count === 1 ? "decimal" : "text", spellcheck: "false" });
}
