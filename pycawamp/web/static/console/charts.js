/** The charts of several PVs above the table. */
import { Viewport } from "../plot/viewport.js";
import { CHARTED, ChartPanel } from "./chartpanel.js";

const SPAN = 300;
const CLOSEST = 0.1;
/** Charts that were painted within this time (ms) are not painted again. */
const RECENT = 80;

export class Charts {
  /** @type {ChartPanel[]} */
  #panels = [];
  #element;
  #context;
  #announcer;
  #changed;
  #removed;
  /** The viewport of all charts over time: zooming one zooms all. */
  #viewport;

  /**
   * @param {HTMLElement} element
   * @param {object} parts
   * @param {import("../pycaserver.js").PVClient} parts.gateway
   * @param {import("./pageclock.js").PageClock} parts.clock
   * @param {import("../view/painter.js").Painter} parts.painter
   * @param {import("./announcer.js").Announcer} parts.announcer
   * @param {() => number} parts.rate
   * @param {(name: string) => import("./watch.js").Watch | undefined} parts.known the table's watch of a PV
   * @param {() => void} parts.changed other PVs are shown now
   * @param {(names: string[]) => void} parts.removed a chart of these PVs was removed by its button
   */
  constructor(element, { announcer, changed, removed, ...context }) {
    const { clock } = context;
    this.#element = element;
    this.#announcer = announcer;
    this.#changed = changed;
    this.#removed = removed;
    this.#viewport = new Viewport(() => [clock.now() - clock.reach, clock.now()], SPAN, CLOSEST);
    this.#context = { ...context, viewport: this.#viewport, redraw: () => this.tick(), emptied: (panel) => this.#take(panel), changed: () => this.#listChanged() };
  }

  /** @returns {string[][]} the names in each chart */
  get names() {
    return this.#panels.map((panel) => panel.names);
  }

  /** Opens the charts of an address. */
  open(lists) {
    for (const names of lists) if (names.length > 0) this.#add(names);
  }

  /**
   * Adds a PV to the given chart, or, without one, to the newest chart that it fits in. If it does not fit, it gets a new chart.
   * @param {string} name
   * @param {ChartPanel | "new" | null} [target]
   */
  add(name, target = null) {
    const watch = this.#context.known(name);
    if (watch?.update && !CHARTED.includes(watch.kind)) return this.#announcer.announce(`${name} is neither a number nor an array of numbers`);
    const fits = (panel) => panel.accepts(watch);
    const panel = (target === null ? this.#panels : this.#panels.filter((each) => each === target)).filter(fits).at(-1);
    if (panel?.names.includes(name)) return this.#announcer.announce(`${name} is in the chart already`);
    if (panel && !panel.add(name)) return this.#announcer.announce("The chart is full");
    if (!panel) this.#add([name]);
    this.#announcer.announce(`${name} added to ${panel ? "the chart" : "a new chart"}`);
    this.#listChanged();
  }

  /** Removes all charts. */
  clear() {
    for (const panel of this.#panels) this.#remove(panel);
  }

  panelAt(node) {
    return this.#panels.find((panel) => panel.element.contains(node)) ?? null;
  }

  contains(node) {
    return this.#element.contains(node);
  }

  tick() {
    for (const panel of this.#panels) this.#context.painter.mark(panel);
  }

  /** Moves traces with the time, unless an update has just done that. */
  passed(now = performance.now()) {
    for (const panel of this.#panels) if (now - panel.painted > RECENT && panel.moved) this.#context.painter.mark(panel);
  }

  freeze(frozen) {
    for (const panel of this.#panels) panel.freeze(frozen);
    this.tick();
  }

  setRate(rate) {
    for (const panel of this.#panels) panel.setRate(rate);
  }

  clockChanged() {
    for (const panel of this.#panels) panel.clockChanged();
    this.tick();
  }

  #add(names) {
    const panel = new ChartPanel(names, this.#context);
    this.#panels.push(panel);
    this.#element.append(panel.element);
    this.#listChanged();
  }

  /** Removes a chart, which can be undone. */
  #take(panel) {
    const { names } = panel;
    this.#remove(panel);
    this.#removed(names);
  }

  #remove(panel) {
    this.#panels = this.#panels.filter((other) => other !== panel);
    this.#context.painter.forget(panel);
    panel.close();
    this.#announcer.announce("Chart removed");
    this.#listChanged();
  }

  #listChanged() {
    this.#element.hidden = this.#panels.length === 0;
    this.#changed();
    this.tick();
  }
}
