/** The watched PVs in their order, and which of them are visible. */
import { Details } from "./details.js";
import { Heading } from "./heading.js";
import { shown } from "./layout.js";
import { Row } from "./row.js";
import { Watch } from "./watch.js";

/** Rows within this distance (CSS pixels) of the window are painted, so that scrolling shows no blank rows. */
const MARGIN = "200px";

export class Table {
  /** Total number of received updates. */
  updates = 0;
  /** @type {import("./account.js").Account} */
  account = /** @type {any} */ (null);
  #body;
  #gateway;
  #clock;
  #painter;
  #rate;
  #changed;
  #removed;
  #news;
  #dropped;
  #rows = new Map();
  /** @type {(Row | Heading)[] | null} the entries as listed, while they are shown in another order */
  #order = null;
  #byElement = new WeakMap();
  #observer = new IntersectionObserver((entries) => this.#intersected(entries), { rootMargin: MARGIN });

  /**
   * @param {HTMLElement} body
   * @param {object} parts
   * @param {import("../pycaserver.js").PVClient} parts.gateway
   * @param {import("./pageclock.js").PageClock} parts.clock
   * @param {import("../view/painter.js").Painter} parts.painter
   * @param {number} parts.rate
   * @param {() => void} parts.changed the list has changed
   * @param {(gone: Kept[], before: Kept[]) => void} parts.removed the removed entries, and the previous list
   * @param {(watch: Watch) => void} parts.news a PV was updated, or its connection has changed
   * @param {(row: Row) => void} parts.dropped a row was removed from the table
   */
  constructor(body, { gateway, clock, painter, rate, changed, removed, news, dropped }) {
    this.#body = body;
    this.#gateway = gateway;
    this.#clock = clock;
    this.#painter = painter;
    this.#rate = rate;
    this.#changed = changed;
    this.#removed = removed;
    this.#news = news;
    this.#dropped = dropped;
    body.addEventListener("click", (event) => this.#clicked(event));
    body.addEventListener("focusin", (event) => this.#rove(this.entryOf(event.target)));
  }

  get names() {
    return this.rows.map((row) => row.watch.name);
  }

  /** @returns {import("./layout.js").Item[]} */
  get items() {
    return this.listed.map((entry) => (entry instanceof Heading ? { heading: entry.text } : entry.watch.item));
  }

  /** @returns {(Row | Heading)[]} from top to bottom */
  get entries() {
    return Array.from(this.#body.children, (element) => this.#byElement.get(element));
  }

  /** @returns {(Row | Heading)[]} in the order of the list, which users can change */
  get listed() {
    return this.#order ?? this.entries;
  }

  /** @returns {Row[]} as listed */
  get rows() {
    return /** @type {Row[]} */ (this.listed.filter((entry) => entry instanceof Row));
  }

  /** Whether the rows are shown in another order than listed. */
  get isSorted() {
    return this.#order !== null;
  }

  get size() {
    return this.#rows.size;
  }

  entryOf(node) {
    return this.#byElement.get(node.closest?.(".entry"));
  }

  /** @returns {Row | undefined} */
  rowOf(node) {
    const entry = this.entryOf(node);
    return entry instanceof Row ? entry : undefined;
  }

  /** @param {string} name @returns {Row | undefined} */
  rowNamed(name) {
    return this.#rows.get(name);
  }

  /** @param {string[]} names @returns {string[]} those that were added */
  add(names) {
    const added = names.filter((name) => !this.#rows.has(name));
    this.addItems(added.map((name) => shown(name)));
    return added;
  }

  /** @param {import("./layout.js").Item[]} items PVs that are already in the table are skipped */
  addItems(items) {
    const added = items.filter((item) => "heading" in item || !this.#rows.has(item.pv)).map((item) => ("heading" in item ? this.#newHeading(item.heading) : this.#newRow(item)));
    this.#body.append(...added.map(({ element }) => element));
    this.#order?.push(...added);
    if (added.length > 0) this.#listChanged();
    return added;
  }

  /** @param {Row | Heading} entry */
  remove(entry) {
    const before = this.#kept();
    const neighbour = this.#neighbour(entry, 1) ?? this.#neighbour(entry, -1);
    const focused = entry.element.contains(document.activeElement);
    const place = this.listed.indexOf(entry);
    this.#drop(entry);
    if (focused) neighbour?.controls[1].focus();
    this.#listChanged();
    this.#removed([before[place]], before);
  }

  clear() {
    const before = this.#kept();
    if (before.length === 0) return;
    for (const entry of this.listed) this.#drop(entry);
    this.#listChanged();
    this.#removed(before, before);
  }

  /** Adds removed rows again, each after the one that was above it. */
  restore(gone, before) {
    const sorted = this.isSorted;
    this.keepOrder(false);
    const there = (kept) => (kept instanceof Heading ? kept : this.#rows.get(kept.pv));
    for (const [i, kept] of before.entries()) {
      if (!gone.includes(kept)) continue;
      const entry = kept instanceof Heading ? this.#addHeading(kept) : this.#rows.get(kept.pv) ?? this.#newRow(kept);
      const above = before.slice(0, i).map(there).findLast((each) => each?.element.isConnected);
      this.#body.insertBefore(entry.element, above ? above.element.nextElementSibling : this.#body.firstElementChild);
    }
    this.keepOrder(sorted);
    this.#listChanged();
  }

  /** Whether rows are arranged independently of the list. If not, they are shown in its order again. */
  keepOrder(isKept) {
    if (isKept) this.#order ??= this.entries;
    else if (this.#order) {
      this.#body.append(...this.#order.map(({ element }) => element));
      this.#order = null;
    }
  }

  /** @param {number} by positions down; negative: up @returns {number} the new position, from 1 */
  move(entry, by) {
    if (this.isSorted) return this.listed.indexOf(entry) + 1;
    const target = this.#neighbour(entry, by);
    // The neighbour is moved, since an element that is removed from the document loses focus and pointer.
    if (target) this.#body.insertBefore(target.element, by > 0 ? entry.element : entry.element.nextSibling);
    return this.listed.indexOf(entry) + 1;
  }

  /** Handles a move by drag or key. */
  moved() {
    this.#listChanged();
  }

  toggle(row, open = !row.details) {
    if (open === Boolean(row.details)) return;
    row.fold(open ? new Details(row.watch, this.#clock, this.account, () => this.#painter.mark(row.figureItem), () => this.#formatted(row)) : null);
    this.#painter.mark(row);
  }

  focus(entry, by, control) {
    const target = by === 0 ? entry : this.#neighbour(entry, by);
    target?.controls[Math.max(0, entry.controls.indexOf(control))].focus();
    return target;
  }

  setRate(rate) {
    this.#rate = rate;
    for (const row of this.#rows.values()) row.watch.setRate(rate);
  }

  freeze(frozen) {
    for (const { watch } of this.#rows.values()) frozen ? watch.freeze() : watch.thaw();
    this.repaint();
  }

  clockChanged() {
    for (const { watch } of this.#rows.values()) watch.clockChanged();
    this.repaint();
  }

  repaint() {
    for (const row of this.#visible()) this.#paint(row);
  }

  /** Ages are updated every second. */
  tickDetails() {
    for (const row of this.#visible()) if (row.details) this.#painter.mark(row);
  }

  /** Moves traces with the time, in rows and in open plots. */
  tick() {
    for (const row of this.#visible()) this.#painter.mark(row.trendItem);
  }

  tickFigures() {
    for (const row of this.#visible()) if (row.details?.moved) this.#painter.mark(row.figureItem);
  }

  #visible() {
    return [...this.#rows.values()].filter((row) => row.visible);
  }

  #formatted(row) {
    this.#painter.mark(row);
    this.#listChanged();
  }

  /** @returns {Kept[]} */
  #kept() {
    return this.listed.map((entry) => (entry instanceof Heading ? entry : entry.watch.item));
  }

  #newHeading(text) {
    return this.#addHeading(new Heading(text, () => this.#listChanged()));
  }

  #addHeading(heading) {
    this.#byElement.set(heading.element, heading);
    return heading;
  }

  /** @param {import("./layout.js").Shown} item */
  #newRow({ pv: name, format, width }) {
    const on = {
      changed: (watch) => {
        this.#news(watch);
        if (row.visible && !this.#clock.paused) this.#painter.mark(row);
      },
      counted: () => (this.updates += 1),
      now: () => this.#clock.live(),
      archived: () => this.#clock.archived,
    };
    const row = new Row(new Watch(this.#gateway, name, this.#rate, on), this.#clock);
    Object.assign(row.watch, { format, width });
    if (this.#clock.paused) row.watch.freeze();
    this.#rows.set(name, row);
    this.#byElement.set(row.element, row);
    this.#observer.observe(row.element);
    row.paint();
    return row;
  }

  #drop(entry) {
    if (this.#order) this.#order = this.#order.filter((each) => each !== entry);
    if (entry instanceof Heading) entry.element.remove();
    else this.#dropRow(entry);
  }

  #dropRow(row) {
    this.#rows.delete(row.watch.name);
    this.#observer.unobserve(row.element);
    for (const item of [row, row.trendItem, row.figureItem]) this.#painter.forget(item);
    row.fold(null);
    row.watch.close();
    row.show(false);
    row.element.remove();
    this.#dropped(row);
  }

  #intersected(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#byElement.get(target);
      if (!row || row.visible === isIntersecting) continue;
      row.show(isIntersecting);
      if (isIntersecting) this.#paint(row);
    }
  }

  #paint(row) {
    this.#painter.mark(row);
    this.#painter.mark(row.trendItem);
  }

  #clicked({ target }) {
    const entry = this.entryOf(target);
    if (!entry) return;
    if (target === entry.removal) return this.remove(entry);
    const row = this.rowOf(target);
    if (!row) return;
    if (row.line.contains(target) && target !== row.handle) this.toggle(row);
  }

  /** @returns {Row | Heading | undefined} the next visible entry */
  #neighbour(entry, by) {
    let { element } = entry;
    do element = by < 0 ? element.previousElementSibling : element.nextElementSibling;
    while (element?.hidden);
    return element ? this.#byElement.get(element) : undefined;
  }

  #listChanged() {
    if (!this.#body.querySelector('[tabindex="0"]')) this.#rove(this.entries[0]);
    this.#changed();
  }

  /** One row of the table is in the tab order; the arrow keys go to the others. */
  #rove(entry) {
    if (!entry || (entry.removal.tabIndex === 0 && entry.removal.hasAttribute("tabindex"))) return;
    for (const other of this.entries) for (const control of other.controls) control.tabIndex = other === entry ? 0 : -1;
  }
}

/** @typedef {import("./layout.js").Shown | Heading} Kept an entry that can be restored */
