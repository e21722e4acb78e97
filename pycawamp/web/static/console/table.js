/** The watched PVs in their order, and which of them are in sight. */
import { Details } from "./details.js";
import { Row } from "./row.js";
import { Watch } from "./watch.js";

/** Rows this near (CSS pixels) to the window are kept painted, so that scrolling shows no blanks. */
const MARGIN = "200px";

export class Table {
  /** Updates received in all. */
  updates = 0;
  #body;
  #gateway;
  #clock;
  #painter;
  #rate;
  #changed;
  #removed;
  #rows = new Map();
  #byElement = new WeakMap();
  #observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: MARGIN });

  /**
   * @param {HTMLElement} body
   * @param {object} parts
   * @param {import("../pycaserver.js").PVClient} parts.gateway
   * @param {import("./pageclock.js").PageClock} parts.clock
   * @param {import("../view/painter.js").Painter} parts.painter
   * @param {number} parts.rate
   * @param {() => void} parts.changed the list is another one now
   * @param {(gone: string[], before: string[]) => void} parts.removed names, and the list as it was
   */
  constructor(body, { gateway, clock, painter, rate, changed, removed }) {
    this.#body = body;
    this.#gateway = gateway;
    this.#clock = clock;
    this.#painter = painter;
    this.#rate = rate;
    this.#changed = changed;
    this.#removed = removed;
    body.addEventListener("click", (event) => this.#clicked(event));
    body.addEventListener("focusin", (event) => this.#rove(this.rowOf(event.target)));
  }

  get names() {
    return this.rows.map((row) => row.watch.name);
  }

  /** @returns {Row[]} from top to bottom */
  get rows() {
    return Array.from(this.#body.children, (element) => this.#byElement.get(element));
  }

  /** @param {string} name @returns {import("./watch.js").Watch | undefined} */
  watchOf(name) {
    return this.#rows.get(name)?.watch;
  }

  get size() {
    return this.#rows.size;
  }

  rowOf(node) {
    return this.#byElement.get(node.closest?.(".entry"));
  }

  /** @param {string[]} names @returns {string[]} those that were not there yet */
  add(names) {
    const added = names.filter((name) => !this.#rows.has(name));
    const fragment = document.createDocumentFragment();
    for (const name of added) fragment.append(this.#newRow(name).element);
    this.#body.append(fragment);
    if (added.length > 0) this.#listChanged();
    return added;
  }

  remove(row) {
    const before = this.names;
    const neighbour = this.#neighbour(row, 1) ?? this.#neighbour(row, -1);
    const focused = row.element.contains(document.activeElement);
    this.#drop(row);
    if (focused) neighbour?.toggle.focus();
    this.#listChanged();
    this.#removed([row.watch.name], before);
  }

  clear() {
    const before = this.names;
    for (const row of this.rows) this.#drop(row);
    this.#listChanged();
    this.#removed(before, before);
  }

  /** Adds names that were removed, each after those that were above it. */
  restore(gone, before) {
    this.add(gone);
    for (const [i, name] of before.entries()) {
      if (!gone.includes(name)) continue;
      const row = this.#rows.get(name);
      const above = before.slice(0, i).findLast((each) => this.#rows.has(each));
      const next = above === undefined ? this.#body.firstElementChild : this.#rows.get(above).element.nextElementSibling;
      if (next !== row.element) this.#body.insertBefore(row.element, next);
    }
    this.#listChanged();
  }

  /** @param {number} by places down, negative: up @returns {number} its place, from 1 */
  move(row, by) {
    const target = this.#neighbour(row, by);
    // The neighbour moves, not the row: an element that leaves the document loses focus and pointer.
    if (target) this.#body.insertBefore(target.element, by > 0 ? row.element : row.element.nextSibling);
    return this.rows.indexOf(row) + 1;
  }

  /** After a move by drag or key. */
  moved() {
    this.#listChanged();
  }

  toggle(row, open = !row.details) {
    if (open === Boolean(row.details)) return;
    row.fold(open ? new Details(row.watch, this.#clock, () => this.#painter.mark(row.figureItem), () => this.#painter.mark(row)) : null);
    this.#painter.mark(row);
  }

  focus(row, by, control) {
    const target = by === 0 ? row : this.#neighbour(row, by);
    target?.controls[Math.max(0, row.controls.indexOf(control))].focus();
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

  /** Ages are told by the second. */
  tickDetails() {
    for (const row of this.#visible()) if (row.details) this.#painter.mark(row);
  }

  /** Time passed: traces move on, in rows and in open plots. */
  tick() {
    for (const row of this.#visible()) this.#painter.mark(row.trendItem);
  }

  tickFigures() {
    for (const row of this.#visible()) if (row.details) this.#painter.mark(row.figureItem);
  }

  #visible() {
    return [...this.#rows.values()].filter((row) => row.visible);
  }

  #newRow(name) {
    const on = {
      changed: () => row.visible && !this.#clock.paused && this.#painter.mark(row),
      counted: () => (this.updates += 1),
      now: () => this.#clock.live(),
      archived: () => this.#clock.archived,
    };
    const row = new Row(new Watch(this.#gateway, name, this.#rate, on), this.#clock);
    if (this.#clock.paused) row.watch.freeze();
    this.#rows.set(name, row);
    this.#byElement.set(row.element, row);
    this.#observer.observe(row.element);
    row.paint();
    return row;
  }

  #drop(row) {
    this.#rows.delete(row.watch.name);
    this.#observer.unobserve(row.element);
    for (const item of [row, row.trendItem, row.figureItem]) this.#painter.forget(item);
    row.fold(null);
    row.watch.close();
    row.show(false);
    row.element.remove();
  }

  #seen(entries) {
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
    const row = this.rowOf(target);
    if (!row) return;
    if (target === row.removal) this.remove(row);
    else if (row.line.contains(target) && target !== row.handle) this.toggle(row);
  }

  #neighbour(row, by) {
    return this.rows[this.rows.indexOf(row) + by];
  }

  #listChanged() {
    if (!this.#body.querySelector('[tabindex="0"]')) this.#rove(this.rows[0]);
    this.#changed();
  }

  /** One row of the table is in the tab order; the arrow keys go to the others. */
  #rove(row) {
    if (!row || row.toggle.tabIndex === 0 && row.toggle.hasAttribute("tabindex")) return;
    for (const other of this.#rows.values()) for (const control of other.controls) control.tabIndex = other === row ? 0 : -1;
  }
}
