/** What writes: a field, buttons of an enum, steps. It is shown only if the gateway allows this user to write. */
import { jsonOf } from "../client/json.js";
import { FLOATS, INTEGERS, UNWRITABLE, lengthWarning, limitWarning, typedList, valueFrom } from "../view/entry.js";
import { formattedText } from "../view/format.js";
import { exactValue, isList, textOf } from "../view/reading.js";
import { confirmed } from "./confirm.js";
import { el, setText } from "./dom.js";
import { failureText } from "./failure.js";

const LISTS = { string: 'new values: one, "two words", …' };
/** Elements of an array that are shown in an outcome. */
const MOST_TOLD = 8;
/** More labels than these are in a list to choose from. */
const MOST_BUTTONS = 8;

export class PutForm {
  #watch;
  /** What the user edits: an input, a select, or a group of buttons. */
  #field = /** @type {any} */ (null);
  #shape = "";
  #isBusy = false;
  /** What was there before the last write: a value, or undefined. */
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
    // With pvAccess, it is unknown until a write is tried whether the IOC allows it.
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
    this.#field = labels.length > MOST_BUTTONS ? choice(label, labels) : labels.length > 0 ? this.#buttons(label, labels) : entry(label, metadata);
    this.#slot.replaceChildren(this.#field);
    this.#write.hidden = this.#choices().length > 0;
    const step = stepOf(metadata);
    for (const button of this.#steps) {
      button.hidden = step === null;
      button.title = `Write the current value ${button.textContent} ${step}`;
    }
  }

  #buttons(label, labels) {
    const buttons = labels.map((text, i) => el("button", { type: "button", on: { click: () => this.#ask(i) } }, text || String(i)));
    return el("div", { class: "choices", role: "group", "aria-label": label }, ...buttons);
  }

  #submit() {
    let value;
    try {
      // What is chosen is an index: among labels that are numbers it would be another one.
      value = this.#field.tagName === "SELECT" ? Number(this.#field.value) : valueFrom(this.#field.value, this.#watch.metadata);
    } catch (error) {
      return this.#showOutcome("failed", error.message);
    }
    return this.#ask(value);
  }

  #step(by) {
    const { metadata, pv } = this.#watch;
    const step = stepOf(metadata) ?? 0;
    // Beyond 2^53 a number may have lost its last digits.
    if (typeof pv.last?.value !== "number" || !(Math.abs(pv.last.value) <= Number.MAX_SAFE_INTEGER)) return this.#showOutcome("failed", "There is no value to step from.");
    // Sums of decimal fractions have rounding errors.
    return this.#ask(Number((pv.last.value + by * step).toPrecision(15)));
  }

  /** Asks for confirmation if a write may be unintended. */
  async #ask(value) {
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
      await this.#sayHeld(value);
    } catch (error) {
      this.#showOutcome("failed", `✕ ${failureText(error, this.#account.mayHelp)}`);
    } finally {
      this.#busy(false);
    }
  }

  /** The record may have another value than was written: DRVL and DRVH limit it. */
  async #sayHeld(written) {
    const { format, metadata, pv } = this.#watch;
    try {
      const update = await pv.get();
      const held = writable(update, metadata);
      // To the last digit, if it is what was written: what is rounded looks like another value.
      const text = held === written || typeof held !== "number" ? this.#valueText(held) : formattedText(update, metadata, format);
      setText(this.#outcome, `${this.#outcome.textContent}; the PV now has ${text}`);
    } catch {
      // It was written all the same.
    }
  }

  #valueText(value) {
    const { format, metadata } = this.#watch;
    if (isList(value)) return value.length > MOST_TOLD ? `${value.length} elements` : typedList(Array.from(value, String));
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

/** How far a step goes; null where there are none. */
function stepOf({ type, count, precision = 0, enum_strs: labels }) {
  if (count !== 1 || labels) return null;
  if (INTEGERS.includes(type)) return 1;
  return FLOATS.includes(type) ? Number(`1e-${Math.min(Math.max(precision, 0), 15)}`) : null;
}

/** A value as it can be written again; undefined if there is none. */
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
