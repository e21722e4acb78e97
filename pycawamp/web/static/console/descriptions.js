/** Descriptions of PVs from the field DESC of their records, requested for visible rows, a few at a time. */

/** Maximum simultaneous requests. */
const AT_ONCE = 8;
/** Timeout in seconds. */
const TIMEOUT = 5;

export class Descriptions {
  #gateway;
  #table;
  #isShown = false;
  #pending = 0;
  /** @type {WeakSet<import("./row.js").Row>} */
  #requested = new WeakSet();

  constructor(gateway, table) {
    this.#gateway = gateway;
    this.#table = table;
  }

  /** @param {boolean} isShown whether they are shown beside the names */
  set(isShown) {
    this.#isShown = isShown;
    this.update();
  }

  /** Requests the descriptions of visible rows. */
  update() {
    if (!this.#isShown) return;
    for (const row of this.#table.rows) {
      if (this.#pending >= AT_ONCE) return;
      if (row.visible && row.watch.pv.connected && !this.#requested.has(row)) this.#request(row);
    }
  }

  async #request(row) {
    this.#requested.add(row);
    const name = descriptionOf(row.watch.name);
    if (name === null) return;
    this.#pending += 1;
    const pv = this.#gateway.pv(name);
    try {
      row.describe(String((await pv.get({ timeout: TIMEOUT })).value));
    } catch {
      // Not every PV has a description.
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
