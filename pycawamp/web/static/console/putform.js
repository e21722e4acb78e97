/** The field that writes. There when, and only when, the gateway says that this user may. */
import { limitWarning, valueFrom } from "../view/entry.js";
import { scalarText, textOf } from "../view/reading.js";
import { confirmed } from "./confirm.js";
import { el, setText } from "./dom.js";

const LISTS = { string: 'one, "two words", …' };

export class PutForm {
  #watch;
  #field = null;
  #shape = null;
  #button = el("button", { type: "submit" }, "Write");
  #outcome = el("output", { class: "outcome", role: "status" });
  #slot = el("span", { class: "field" });

  constructor(watch) {
    this.#watch = watch;
    const submit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.element = el("form", { class: "put", autocomplete: "off", hidden: true, on: { submit } }, this.#slot, this.#button, this.#outcome);
  }

  paint() {
    const { metadata, pv } = this.#watch;
    // By pvAccess, whether the IOC takes it is known after it was tried.
    const allowed = metadata?.write_access === true || metadata?.write_access === null;
    this.element.hidden = !allowed;
    if (!allowed) return;
    this.#shapeField(metadata);
    this.#button.disabled = !pv.connected || this.#button.dataset.busy !== undefined;
    this.#hint();
  }

  focus() {
    this.#field?.focus();
  }

  #shapeField(metadata) {
    const shape = JSON.stringify([metadata.type, metadata.count, metadata.enum_strs]);
    if (shape === this.#shape) return;
    this.#shape = shape;
    const label = `New value of ${this.#watch.name}`;
    this.#field = metadata.enum_strs?.length > 0 ? choice(label, metadata.enum_strs) : entry(label, metadata);
    this.#slot.replaceChildren(this.#field);
  }

  #hint() {
    const { update, metadata } = this.#watch;
    if (!update || this.#field.tagName !== "INPUT") return;
    const text = metadata.count === 1 || metadata.type === "char" ? textOf(update, metadata) : LISTS[metadata.type] ?? "1, 2, 3, …";
    if (this.#field.placeholder !== text) this.#field.placeholder = text;
  }

  async #submit() {
    const { metadata, name } = this.#watch;
    let value;
    try {
      // What is chosen is an index: among labels that are numbers it would be another one.
      value = this.#field.tagName === "SELECT" ? Number(this.#field.value) : valueFrom(this.#field.value, metadata);
    } catch (error) {
      return this.#say("failed", error.message);
    }
    const warning = limitWarning(value, metadata);
    if (warning && !(await confirmed(`Write ${name}?`, `${warning} Write it anyway?`, "Write anyway"))) {
      return this.#say("", "Not written.");
    }
    await this.#put(value, metadata);
  }

  async #put(value, metadata) {
    const start = performance.now();
    this.#busy(true);
    this.#say("", "Writing…");
    try {
      await this.#watch.pv.put(value);
      const seconds = ((performance.now() - start) / 1000).toFixed(2);
      this.#say("done", `✓ Wrote ${shown(value, metadata)} in ${seconds} s`);
      if (this.#field.tagName === "INPUT") this.#field.value = "";
      if (metadata.count === 1) await this.#sayHeld(metadata);
    } catch (error) {
      this.#say("failed", `✕ Not written: ${error.message} (${error.code ?? error.name})`);
    } finally {
      this.#busy(false);
    }
  }

  /** The record may hold another value than was asked for: DRVL and DRVH limit it. */
  async #sayHeld(metadata) {
    try {
      const held = textOf(await this.#watch.pv.get(), metadata);
      setText(this.#outcome, `${this.#outcome.textContent}; it holds ${held}`);
    } catch {
      // It was written all the same.
    }
  }

  #busy(busy) {
    if (busy) this.#button.dataset.busy = "";
    else delete this.#button.dataset.busy;
    this.paint();
  }

  #say(kind, text) {
    this.#outcome.className = `outcome ${kind}`.trim();
    setText(this.#outcome, text);
  }
}

function choice(label, labels) {
  const options = labels.map((text, i) => el("option", { value: String(i) }, text || String(i)));
  return el("select", { "aria-label": label, required: true }, el("option", { value: "", disabled: true, selected: true }, "choose…"), ...options);
}

function entry(label, { type, count }) {
  const numeric = type !== "string" && type !== "char";
  return el("input", { type: "text", "aria-label": label, inputmode: numeric && count === 1 ? "decimal" : "text", spellcheck: "false" });
}

function shown(value, metadata) {
  if (Array.isArray(value)) return `${value.length} elements`;
  return typeof value === "number" && metadata?.enum_strs ? scalarText(value, metadata) : String(value);
}
