/** A pvAccess table as an HTML table with column labels. */
import { scalarText } from "../view/reading.js";
import { el, setText } from "./dom.js";

const SHOWN_ROWS = 200;

export class TableFigure {
  kind = "table";
  #watch;
  #head = el("tr");
  #body = el("tbody");
  #note = el("span", { class: "note", role: "status" });
  #painted = null;

  constructor(watch) {
    this.#watch = watch;
    const table = el("table", {}, el("thead", {}, this.#head), this.#body);
    const frame = el("div", { class: "composed", tabindex: "0", role: "region", "aria-label": `Table of ${watch.name}` }, table);
    this.element = el("figure", { class: "figure" }, frame, el("figcaption", {}, this.#note));
  }

  paint() {
    const { update } = this.#watch;
    if (!update || update === this.#painted) return;
    this.#painted = update;
    const { labels, columns } = partsOf(update.value);
    const rows = rowsOf(columns);
    const shown = Math.min(rows, SHOWN_ROWS);
    fill(this.#head, labels.map((label) => [label, ""]), "th");
    while (this.#body.children.length > shown) this.#body.lastChild?.remove();
    while (this.#body.children.length < shown) this.#body.append(el("tr"));
    for (let i = 0; i < shown; i += 1) fill(this.#body.children[i], columns.map((column) => cellOf(column[i])), "td");
    setText(this.#note, shown < rows ? `The first ${shown} of ${rows} rows` : "");
  }

  release() {
    this.#body.replaceChildren();
  }
}

/** The numbers of rows and columns, as text. */
export function tableText(value) {
  const { columns } = partsOf(value);
  const rows = rowsOf(columns);
  return `${rows} ${rows === 1 ? "row" : "rows"} × ${columns.length} ${columns.length === 1 ? "column" : "columns"}`;
}

/** The columns of a value, which may be invalid. */
function partsOf(value) {
  const entries = Object.entries(value?.columns ?? {});
  const labels = Array.isArray(value?.labels) ? value.labels : [];
  return {
    labels: entries.map(([name], i) => String(labels[i] ?? name)),
    columns: entries.map(([, column]) => (Array.isArray(column) ? column : [column])),
  };
}

function rowsOf(columns) {
  return Math.max(0, ...columns.map((column) => column.length));
}

/** @returns {[string, string]} text and class: numbers are right-aligned */
function cellOf(item) {
  if (item === undefined) return ["", ""];
  return item === null ? ["NaN", "number"] : [scalarText(item, null), typeof item === "number" ? "number" : ""];
}

function fill(row, cells, tag) {
  while (row.children.length > cells.length) row.lastChild.remove();
  while (row.children.length < cells.length) row.append(el(tag, tag === "th" ? { scope: "col" } : {}));
  cells.forEach(([text, kind], i) => {
    const cell = row.children[i];
    setText(cell, text);
    if (cell.className !== kind) cell.className = kind;
  });
}
