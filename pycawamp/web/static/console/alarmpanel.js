/** The list of alarms, with acknowledgement, and the log of changes. */
import { stamp } from "../view/time.js";
import { shownValue } from "./alarms.js";
import { el, setText } from "./dom.js";
import { csvOfChanges, download, fileName } from "./export.js";

/** Maximum rows of each table, so that the page stays responsive. */
const MAX_SHOWN = 200;

export class AlarmPanel {
  #panel;
  #alarms;
  #acknowledged;
  #clock;
  #reveal;
  #changed;
  #rows = el("tbody");
  #log = el("tbody");
  #none = el("p", {}, "No PV of the table is in alarm.");
  #more = el("p", { hidden: true });
  #table;
  #summary = el("summary", {}, "Log of changes");
  #details;
  #all;

  /**
   * @param {HTMLElement} panel
   * @param {object} parts
   * @param {import("./alarms.js").Alarms} parts.alarms
   * @param {import("./acknowledged.js").Acknowledged} parts.acknowledged
   * @param {import("./pageclock.js").PageClock} parts.clock
   * @param {(name: string) => void} parts.reveal shows the row of a PV
   * @param {() => void} parts.changed something was acknowledged
   */
  constructor(panel, { alarms, acknowledged, clock, reveal, changed }) {
    this.#panel = panel;
    this.#alarms = alarms;
    this.#acknowledged = acknowledged;
    this.#clock = clock;
    this.#reveal = reveal;
    this.#changed = changed;
    this.#all = el("button", { type: "button", on: { click: () => this.#acknowledgeAll() } }, "Acknowledge all");
    this.#table = table("PVs in alarm", ["State", "PV", "Value", "Since", "Ack"], this.#rows);
    this.#table.className = "list";
    const save = el("button", { type: "button", on: { click: () => this.#save() } }, "Save log as CSV");
    this.#details = el("details", { on: { toggle: () => this.paint() } }, this.#summary,
      el("div", { class: "log", tabindex: "0", role: "region", "aria-label": "Log of changes" }, table("Changes", ["Time", "PV", "State", "Value"], this.#log)), save);
    panel.querySelector(".buttons")?.append(this.#all);
    panel.append(this.#none, this.#table, this.#more, this.#details);
    panel.addEventListener("click", ({ target }) => this.#clicked(target));
  }

  /** Whether an alarm is not acknowledged yet. */
  isNew({ watch, condition }) {
    return !this.#acknowledged.has(watch.name, condition.level);
  }

  paint() {
    if (this.#panel.hidden) return;
    const { active } = this.#alarms;
    this.#none.hidden = active.length > 0;
    this.#table.hidden = active.length === 0;
    this.#all.disabled = !active.some((state) => this.isNew(state));
    this.#more.hidden = active.length <= MAX_SHOWN;
    setText(this.#more, `and ${active.length - MAX_SHOWN} more`);
    fill(this.#rows, active.slice(0, MAX_SHOWN).map((state) => ({ key: state.watch, cells: this.#alarm(state) })));
    setText(this.#summary, `Log of changes (${this.#alarms.changes.length})`);
    if (this.#details.open) fill(this.#log, this.#alarms.changes.slice(-MAX_SHOWN).reverse().map((change) => ({ key: change, cells: this.#change(change) })));
  }

  /** @returns {Cell[]} */
  #alarm({ watch, condition, since, isOlder }) {
    const { name } = watch;
    const isNew = !this.#acknowledged.has(name, condition.level);
    return [badge(condition), { text: name, action: "reveal", name }, { text: shownValue(watch) }, { text: `${isOlder ? "before " : ""}${this.#time(since)}` },
      isNew ? { text: "Ack", action: "acknowledge", name, label: `Acknowledge ${name}` } : { text: "✓ Ack" }];
  }

  /** @returns {Cell[]} */
  #change({ time, name, condition, value }) {
    return [{ text: this.#time(time) }, { text: name }, badge(condition), { text: value }];
  }

  #time(seconds) {
    return stamp(seconds, this.#clock.live(), this.#clock.utc);
  }

  #clicked(target) {
    const { action, name } = target.dataset ?? {};
    if (action === "reveal") this.#reveal(name);
    if (action === "acknowledge") this.#acknowledge(this.#alarms.active.filter(({ watch }) => watch.name === name));
  }

  #acknowledgeAll() {
    this.#acknowledge(this.#alarms.active);
  }

  #acknowledge(states) {
    this.#acknowledged.add(states.map(({ watch, condition }) => [watch.name, condition.level]));
    this.#changed();
  }

  #save() {
    download(fileName("pycaserver alarms", this.#clock.now(), "csv"), new Blob([csvOfChanges(this.#alarms.changes)], { type: "text/csv" }));
  }
}

/** @typedef {{text: string, is?: string, shape?: string, action?: string, name?: string, label?: string}} Cell */

/** @returns {Cell} */
function badge({ level, shape, text }) {
  return { text, shape, is: level };
}

function table(label, names, body) {
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)));
  return el("table", { "aria-label": label }, el("thead", {}, head), body);
}

/** @type {WeakMap<Element, object>} the keys of rows */
const keys = new WeakMap();

/**
 * Writes rows into a table body. Existing rows keep their elements, and so the focus.
 * @param {HTMLElement} body
 * @param {{key: object, cells: Cell[]}[]} rows
 */
function fill(body, rows) {
  const there = new Map(Array.from(body.children, (line) => [keys.get(line), line]));
  const present = new Set(rows.map(({ key }) => key));
  for (const [key, line] of there) if (!present.has(key)) line.remove();
  rows.forEach(({ key, cells }, i) => {
    const line = there.get(key) ?? el("tr");
    keys.set(line, key);
    if (body.children[i] !== line) body.insertBefore(line, body.children[i] ?? null);
    cells.forEach((cell, column) => write(line.children[column] ?? line.appendChild(el("td")), cell));
  });
}

/** @param {Element} place @param {Cell} cell */
function write(place, cell) {
  const text = JSON.stringify(cell);
  if (place.getAttribute("data-cell") === text) return;
  place.setAttribute("data-cell", text);
  place.replaceChildren(content(cell));
}

/** @param {Cell} cell */
function content({ text, is, shape, action, name, label }) {
  if (action) return el("button", { type: "button", class: action === "reveal" ? "plain" : false, data: { action, name }, "aria-label": label }, text);
  if (is) return el("span", { class: `badge is-${is}` }, el("span", { class: "shape", "aria-hidden": "true" }, shape ?? ""), text);
  return document.createTextNode(text);
}
