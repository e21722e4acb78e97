/** Figures for pictures, tables and structures. */
import { frameOf } from "../plot/frame.js";
import { ImageFigure } from "./image.js";
import { TableFigure, tableText } from "./tablevalue.js";
import { TreeFigure, treeText } from "./tree.js";

/** Classes of figures, by the kind of a watch. */
const FIGURES = { image: ImageFigure, table: TableFigure, tree: TreeFigure };

/** @returns {boolean} whether a kind has a figure here */
export function isComposed(kind) {
  return Object.hasOwn(FIGURES, kind);
}

export function newFigure(watch, clock, redraw) {
  return new FIGURES[watch.kind](watch, clock, redraw);
}

/** A short description of a value, for a row. */
export function composedText(watch) {
  const { kind, update, width } = watch;
  if (kind === "table") return tableText(update.value);
  if (kind === "tree") return treeText(update.value);
  const frame = update.codec ? null : frameOf(update, width);
  if (frame) return `${frame.width} × ${frame.height}`;
  const sizes = update.image_shape ?? [];
  return [sizes.slice(0, 2).reverse().join(" × "), update.codec].filter(Boolean).join(" ");
}
