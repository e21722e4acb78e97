/** The layout that the page shows: its name and view, with what the table and the rate have. */
import { addressOf, writeAddress } from "./address.js";
import { PLAIN } from "./layout.js";

export class CurrentLayout {
  name = "";
  /** @type {import("./layout.js").View} */
  view = PLAIN;
  #table;
  #rate;
  #charts;
  #apply;
  /** The gateway's layout that is shown, and the address of what it was when it came. */
  #source = { name: "", address: "" };

  /**
   * @param {object} parts
   * @param {import("./table.js").Table} parts.table
   * @param {import("./rate.js").Rate} parts.rate
   * @param {import("./charts.js").Charts} parts.charts
   * @param {() => void} apply shows the view
   */
  constructor({ table, rate, charts }, apply) {
    this.#table = table;
    this.#rate = rate;
    this.#charts = charts;
    this.#apply = apply;
  }

  /** @returns {import("./layout.js").Layout} */
  get value() {
    return { name: this.name, items: this.#table.items, rate: this.#rate.mention, charts: this.#charts.names, view: this.view };
  }

  /**
   * Adds the PVs of a layout, and shows them its way.
   * @param {import("./layout.js").Layout} layout
   * @param {string} [source] its name at the gateway: the address names it until it is changed
   */
  show({ name, items, rate, charts, view }, source = "") {
    this.name = name;
    this.#rate.choose(rate);
    this.#table.addItems(items);
    this.#charts.open(charts);
    this.change(view);
    this.#source = { name: source, address: addressOf(this.value) };
    this.write();
  }

  /** @param {Partial<import("./layout.js").View>} parts */
  change(parts) {
    this.view = { ...this.view, ...parts };
    this.#apply();
    this.write();
  }

  write() {
    const { name, address } = this.#source;
    if (name && addressOf(this.value) === address) history.replaceState(null, "", `${globalThis.location.pathname}?layout=${encodeURIComponent(name)}`);
    else writeAddress(this.value);
  }
}
