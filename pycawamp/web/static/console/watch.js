/** One PV of the page: its handle, its history, and its last error. */
import { History } from "../plot/history.js";
import { Stamps, withStamps } from "../plot/stamps.js";
import { isList } from "../view/reading.js";
import { composedKind } from "./kind.js";
import { shown } from "./layout.js";
import { Past } from "./past.js";

/** The part of the gateway's history that rows show (s); charts request all of it. */
const PAST = { history: 600, points: 600 };
const OPTIONS = { metadata: true, text: true, arrays: "binary", ...PAST };
const SEVERITIES = ["NO_ALARM", "MINOR", "MAJOR", "INVALID"];
/** An IOC's clock may be ahead by this much (s). */
const AHEAD = 2;
/** Types whose arrays are read as text. */
const TEXTS = ["char", "string"];

export class Watch {
  /** The last error of the subscription, or null. */
  error = null;
  /** Whether it was connected before. If it is disconnected, it is lost then, otherwise not found. */
  met = false;
  /** The format of its number: a key of FORMATS. */
  format = "record";
  /** Width in pixels of an array that is shown as a picture; 0: it is not. */
  width = 0;
  #gateway;
  #pv;
  #history = new History();
  #stamps = new Stamps();
  /** The time of the first sample that was received as an update. */
  #seam = Infinity;
  /** @type {import("../client/types.js").History | null} the gateway's samples whose time stamps seemed to be in the future */
  #doubtful = null;
  #now;
  #archived;
  /** Whether the next value is the first of a connection. */
  #isFirst = true;
  #kind = "text";
  /** @type {{update: any, history: History | null} | null} what a paused page shows */
  #frozen = null;

  /** @param {{changed: (watch: Watch) => void, counted: () => void, now: () => number, archived: () => boolean}} on */
  constructor(gateway, name, maxRate, on) {
    this.#gateway = gateway;
    this.#now = on.now;
    this.#archived = on.archived;
    this.#pv = gateway.pv(name, { ...OPTIONS, maxRate });
    this.#pv.on("value", (update) => {
      this.#record(update);
      on.counted();
      on.changed(this);
    });
    this.#pv.on("connection", ({ connected }) => {
      this.#connection(connected);
      on.changed(this);
    });
    this.past = new Past(this.#pv, on.now, () => on.changed(this));
    this.#pv.on("history", (history) => {
      this.past.available = true;
      this.#catchUp(withStamps(history));
      on.changed(this);
    });
    this.#pv.on("metadata", () => on.changed(this));
    this.#pv.on("error", (error) => {
      this.error = error;
      on.changed(this);
    });
  }

  get name() {
    return this.#pv.name;
  }

  /** @returns {import("./layout.js").Shown} its entry in a layout */
  get item() {
    return shown(this.name, this.format, this.width);
  }

  get pv() {
    return this.#pv;
  }

  get update() {
    return this.#frozen ? this.#frozen.update : this.#pv.last;
  }

  get metadata() {
    return this.#pv.metadata;
  }

  /** The kind of its value: `"number"`, `"array"`, `"text"`, `"image"`, `"table"` or `"tree"`. */
  get kind() {
    // Between a connection and its first value, the kind is kept, so that the figure is kept.
    if (this.update) this.#kind = composedKind(this.update, this.metadata, this.width) ?? kindOf(this.update.value, this.metadata);
    return this.#kind;
  }

  get history() {
    if (!this.#frozen) return this.#history;
    // Histories are copied when they are first shown, since a paused page shows only few of them.
    this.#frozen.history ??= this.#history.clone();
    return this.#frozen.history;
  }

  /**
   * The samples of a range, including those that are older than the page's own.
   * @param {[number, number]} range
   */
  samples(range) {
    this.past.available ||= this.#archived();
    return this.past.cover(this.history, Math.max(this.#seam, this.history.since), range);
  }

  /** Continues the history of another watch of the same PV. */
  follow(other) {
    this.#history = other.history.clone();
    this.#seam = other.seam;
    this.#stamps.arrivedSince = other.arrivedSince;
    this.#doubtful = other.#doubtful;
    this.past.available = other.past.available;
  }

  get seam() {
    return this.#seam;
  }

  get arrivedSince() {
    return this.#stamps.arrivedSince;
  }

  /** A note about the times of the samples, or "". */
  get timeNote() {
    return this.#stamps.note;
  }

  /** Freezes the shown value and history; updates are still recorded. */
  freeze() {
    this.#frozen ??= { update: this.#pv.last, history: null };
  }

  thaw() {
    this.#frozen = null;
  }

  /** Handles a correction of the clock, after which time stamps may be plausible. */
  clockChanged() {
    const { arrivedSince } = this.#stamps;
    const { last } = this.#pv;
    if (!last || (arrivedSince === Infinity && !this.#doubtful)) return;
    this.#history.forget(arrivedSince);
    if (this.#seam >= arrivedSince) this.#seam = Infinity;
    if (this.#doubtful) this.#catchUp(this.#doubtful);
    this.#isFirst = true;
    this.#record(last);
  }

  setRate(maxRate) {
    this.#pv.setOptions({ maxRate });
  }

  close() {
    this.past.close();
    this.#pv.close();
  }

  #record({ value, timestamp, severity }) {
    if (typeof value !== "number") return;
    const { length } = this.#history;
    const last = length > 0 ? this.#history.time(length - 1) : -Infinity;
    const time = this.#stamps.place(timestamp, this.#now(), last, this.#isFirst);
    this.#history.push(time, value, Math.max(0, SEVERITIES.indexOf(severity)));
    this.#seam = Math.min(this.#seam, this.#history.time(this.#history.length - 1));
    this.#isFirst = false;
  }

  /** The seconds since the connection was lost, which is detected late on a computer that slept. */
  #silence() {
    const { staleSince } = this.#gateway;
    return staleSince === null ? 0 : (Date.now() - staleSince) / 1000;
  }

  #catchUp(history) {
    this.#doubtful = this.#history.catchUp(history, this.#now() + AHEAD) ? null : history;
  }

  #connection(connected) {
    if (connected) {
      this.met = true;
      this.error = null;
      this.#isFirst = true;
      if (this.#history.hasGap) this.#history.push(this.#now(), NaN);
    } else if (this.#history.length > 0) this.#history.push(this.#now() - this.#silence(), NaN);
  }
}

function kindOf(value, metadata) {
  if (typeof value === "number") return "number";
  // For an empty array of strings, no element shows its type.
  return isList(value) && typeof value[0] !== "string" && !TEXTS.includes(metadata?.type) ? "array" : "text";
}
