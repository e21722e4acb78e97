/** The layout that the page shows: its name and view, and those parts that the table and the rate hold. */
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
  /** The name of the gateway's layout that is shown, and its address when it was opened. */
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
   * Adds the PVs of a layout, and applies its view.
   * @param {import("./layout.js").Layout} layout
   * @param {string} [source] the name of the gateway's layout, which is in the address until the layout is changed
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
