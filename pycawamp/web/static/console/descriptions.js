/** What PVs are, from the field DESC of their records: asked for rows in sight, a few at a time. */

/** Questions at once. */
const AT_ONCE = 8;
/** Seconds for an answer. */
const TIMEOUT = 5;

export class Descriptions {
  #gateway;
  #table;
  #wanted = false;
  #pending = 0;
  /** @type {WeakSet<import("./row.js").Row>} */
  #asked = new WeakSet();

  constructor(gateway, table) {
    this.#gateway = gateway;
    this.#table = table;
  }

  /** @param {boolean} wanted whether they are shown beside the names */
  set(wanted) {
    this.#wanted = wanted;
    this.update();
  }

  /** Asks for what is in sight by now. */
  update() {
    if (!this.#wanted) return;
    for (const row of this.#table.rows) {
      if (this.#pending >= AT_ONCE) return;
      if (row.visible && row.watch.pv.connected && !this.#asked.has(row)) this.#ask(row);
    }
  }

  async #ask(row) {
    this.#asked.add(row);
    const name = descriptionOf(row.watch.name);
    if (name === null) return;
    this.#pending += 1;
    const pv = this.#gateway.pv(name);
    try {
      row.describe(String((await pv.get({ timeout: TIMEOUT })).value));
    } catch {
      // Not every PV has one.
    } finally {
      pv.close();
      this.#pending -= 1;
    }
    this.update();
  }
}

/** The PV with the description of a record, or null where there are no records. */
export function descriptionOf(name) {
  const { scheme = "", record } = /^(?<scheme>\w+:\/\/)?(?<record>[^=.][^.]*)/.exec(name)?.groups ?? {};
  return record && ["", "ca://", "pva://"].includes(scheme) ? `${scheme}${record}.DESC` : null;
}
