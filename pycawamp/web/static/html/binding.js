/** The binding of an element to a PV: its value, classes, title and puts. */
import { alarmOf } from "../view/alarm.js";
import { isEmpty } from "../view/reading.js";
import { fullStamp } from "../view/time.js";
import { CheckControl, ChoiceControl, FieldControl, RangeControl } from "./controls.js";
import { BarDisplay, TextDisplay } from "./displays.js";

const ALARMS = ["minor", "major", "invalid"];
/** Maximum updates per second. */
const MAX_RATE = 10;

/**
 * Shows a value in an element, and reads one from it if it is a control.
 *
 * @typedef {object} Face
 * @property {import("../pycaserver.js").PVOptions} options
 * @property {(update: import("../pycaserver.js").Update, metadata: import("../pycaserver.js").Metadata | null) => void} show
 * @property {() => void} blank
 * @property {(signal: AbortSignal, restore: () => void) => void} [listen]
 * @property {(writable: boolean) => void} [enable]
 */

export class Binding {
  #element;
  #pv;
  /** @type {Face} */
  #face;
  #painter;
  #listeners = new AbortController();
  #ownTitle;
  #failure = null;
  #pending = 0;

  constructor(element, gateway, painter) {
    this.#element = element;
    this.#painter = painter;
    this.#ownTitle = element.hasAttribute("title");
    this.#face = faceFor(element, (read) => this.#put(read));
    const maxRate = Number(element.dataset.maxRate) || MAX_RATE;
    this.#pv = gateway.pv(element.dataset.pv, { metadata: true, maxRate, ...this.#face.options });
    for (const event of ["value", "connection", "metadata"]) this.#pv.on(event, () => painter.mark(this));
    this.#pv.on("error", (error) => this.#fail(error));
    this.#face.listen?.(this.#listeners.signal, () => painter.mark(this));
    painter.mark(this);
  }

  stop() {
    this.#pv.close();
    this.#painter.forget(this);
    this.#listeners.abort();
    for (const name of [...this.#element.classList]) if (name.startsWith("pv-")) this.#element.classList.remove(name);
    if (!this.#ownTitle) this.#element.removeAttribute("title");
  }

  paint() {
    const { connected, last, metadata } = this.#pv;
    if (connected && last && !isEmpty(last)) this.#face.show(last, metadata);
    else this.#face.blank();
    this.#face.enable?.(connected && metadata?.write_access !== false);
    this.#classes(connected, last, metadata);
    if (!this.#ownTitle) this.#element.title = this.#title();
  }

  #classes(connected, last, metadata) {
    const alarm = connected ? alarmOf(last).name : null;
    const set = (name, on) => this.#element.classList.toggle(`pv-${name}`, on);
    set("connected", connected);
    set("disconnected", !connected);
    for (const name of ALARMS) set(name, name === alarm);
    set("readonly", metadata?.write_access === false);
    set("pending", this.#pending > 0);
    set("failed", this.#failure !== null);
  }

  #title() {
    const { name, state, last } = this.#pv;
    const lines = [name];
    if (state !== "connected") lines.push(state);
    else if (last) lines.push(`${last.severity ?? ""} ${last.status ?? ""}`.trim(), fullStamp(last.timestamp));
    if (this.#failure) lines.push(this.#failure);
    return lines.join("\n");
  }

  async #put(read) {
    this.#pending += 1;
    this.#failure = null;
    this.#painter.mark(this);
    try {
      await this.#pv.put(read(this.#pv.metadata));
    } catch (error) {
      this.#fail(error);
    } finally {
      // The field shows the live value again, whatever the outcome of the put.
      this.#pending -= 1;
      this.#painter.mark(this);
    }
  }

  #fail(error) {
    this.#failure = error.message;
    this.#painter.mark(this);
  }
}

function faceFor(element, put) {
  if (["METER", "PROGRESS"].includes(element.tagName)) return new BarDisplay(element);
  if (element.tagName === "SELECT") return new ChoiceControl(element, put);
  if (element.tagName !== "INPUT") return new TextDisplay(element);
  if (["checkbox", "radio"].includes(element.type)) return new CheckControl(element, put);
  if (element.type === "range") return new RangeControl(element, put);
  return new FieldControl(element, put);
}
