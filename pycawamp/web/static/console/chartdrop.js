/** Adds rows to charts: by dragging their handle, or by the key `c`. */

export class ChartDrop {
  #table;
  #charts;
  #zone;
  /** @type {{row: import("./row.js").Row, place: number} | null} */
  #drag = null;

  /**
   * @param {HTMLElement} body of the table
   * @param {import("./table.js").Table} table
   * @param {import("./charts.js").Charts} charts
   * @param {HTMLElement} zone where a row becomes a chart of its own
   */
  constructor(body, table, charts, zone) {
    this.#table = table;
    this.#charts = charts;
    this.#zone = zone;
    // Before the listeners that move the row within the table.
    const on = (event, react) => body.addEventListener(event, react, { capture: true });
    on("pointerdown", (event) => this.#start(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#end(event));
    on("pointercancel", () => this.#stop());
    body.addEventListener("keydown", (event) => this.#key(event));
  }

  #start(event) {
    const row = this.#table.rowOf(event.target);
    if (!row || event.button !== 0 || event.target !== row.handle) return;
    this.#drag = { row, place: this.#table.listed.indexOf(row) };
    this.#zone.hidden = false;
  }

  #move(event) {
    if (!this.#drag) return;
    const over = this.#targetOf(event);
    this.#zone.classList.toggle("over", over === "new");
    for (const element of document.querySelectorAll(".multi")) element.classList.toggle("over", over !== "new" && over?.element === element);
    // The row keeps its position in the table.
    if (over) event.preventDefault();
  }

  #end(event) {
    if (!this.#drag) return;
    const { row, place } = this.#drag;
    const over = this.#targetOf(event);
    this.#stop();
    if (!over) return;
    // While it was dragged, it may have been moved past other rows.
    for (let by = place - this.#table.listed.indexOf(row); by !== 0; by -= Math.sign(by)) this.#table.move(row, Math.sign(by));
    this.#charts.add(row.watch.name, over);
  }

  #stop() {
    this.#drag = null;
    this.#zone.hidden = true;
    this.#zone.classList.remove("over");
    for (const element of document.querySelectorAll(".multi.over")) element.classList.remove("over");
  }

  /** Finds the chart under the pointer, since the handle captures pointer events. */
  #targetOf({ clientX, clientY }) {
    const node = document.elementFromPoint(clientX, clientY);
    if (!node) return null;
    return this.#zone.contains(node) ? "new" : this.#charts.panelAt(node);
  }

  #key(event) {
    const row = this.#table.rowOf(event.target);
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key !== "c" || !isPlain || !row?.controls.includes(event.target)) return;
    event.preventDefault();
    this.#charts.add(row.watch.name);
  }
}
