/** Which rows of the table are shown, and in which order: as listed, or the worst alarms first. */
import { rank } from "./condition.js";
import { Heading } from "./heading.js";

/** Rows are not moved until this time (ms) after the pointer was over the table, so that no wrong row is clicked. */
const STILL = 3000;

export class Arrangement {
  #body;
  #table;
  #alarms;
  #isNew;
  #note;
  #view = { show: "all", worst: false };
  #pointed = -STILL;

  /**
   * @param {HTMLElement} body of the table
   * @param {import("./table.js").Table} table
   * @param {object} parts
   * @param {import("./alarms.js").Alarms} parts.alarms
   * @param {(state: import("./alarms.js").State) => boolean} parts.isNew whether an alarm is not acknowledged
   * @param {(hidden: number) => void} parts.noteHidden how many rows are not shown
   */
  constructor(body, table, { alarms, isNew, noteHidden }) {
    this.#body = body;
    this.#table = table;
    this.#alarms = alarms;
    this.#isNew = isNew;
    this.#note = noteHidden;
    for (const event of ["pointermove", "pointerdown"]) body.addEventListener(event, () => (this.#pointed = performance.now()));
  }

  /** @param {{show: string, worst: boolean}} view */
  set({ show, worst }) {
    this.#view = { show, worst };
    this.#pointed = -STILL;
    this.#table.keepOrder(worst);
    this.update();
  }

  /** About once a second, and when something changed. */
  update() {
    this.#filter();
    if (this.#view.worst && performance.now() - this.#pointed > STILL && !this.#body.contains(document.activeElement)) this.#sort();
  }

  #filter() {
    const isListed = this.#rule();
    let hidden = 0;
    let heading = null;
    let isFilled = true;
    for (const entry of this.#table.entries) {
      if (entry instanceof Heading) {
        if (heading) heading.element.hidden = !isFilled;
        heading = entry;
        isFilled = this.#view.show === "all";
        continue;
      }
      // Rows in use remain visible.
      const isShown = isListed(entry.watch.name) || entry.element.contains(document.activeElement);
      entry.element.hidden = !isShown;
      isFilled ||= isShown;
      hidden += Number(!isShown);
    }
    if (heading) heading.element.hidden = !isFilled;
    this.#note(hidden);
  }

  /** @returns {(name: string) => boolean} whether the view shows a PV */
  #rule() {
    const { show } = this.#view;
    if (show === "all") return () => true;
    const minimum = show === "severe" ? rank("major") : 1;
    const active = this.#alarms.active.filter((state) => rank(state.condition.level) >= minimum && (show !== "new" || this.#isNew(state)));
    const names = new Set(active.map(({ watch }) => watch.name));
    return (name) => names.has(name);
  }

  /** Sorts the rows of each group; equally severe ones remain in the order of the list. */
  #sort() {
    /** @type {any[][]} */
    const groups = [[]];
    for (const entry of this.#table.listed) {
      if (entry instanceof Heading) groups.push([]);
      groups[groups.length - 1].push(entry);
    }
    const level = (entry) => (entry instanceof Heading ? Infinity : rank(this.#alarms.level(entry.watch.name)));
    const sorted = groups.flatMap((group) => group.sort((a, b) => level(b) - level(a)));
    sorted.forEach(({ element }, i) => {
      const there = this.#body.children[i];
      if (there !== element) this.#body.insertBefore(element, there ?? null);
    });
  }
}
