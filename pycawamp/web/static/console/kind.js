/** The kinds of values that are shown as pictures, tables or trees. */
import { frameOf } from "../plot/frame.js";

/** @returns {"image" | "table" | "tree" | null} the kind of an update; null for all others */
export function composedKind(update, metadata, width) {
  const { value, shape, codec } = update;
  if (codec || (shape?.length ?? 0) > 1) return "image";
  if (ArrayBuffer.isView(value) || Array.isArray(value)) return width > 0 && frameOf(update, width) ? "image" : null;
  if (value === null || typeof value !== "object") return null;
  return metadata?.type === "table" || value.columns && value.labels ? "table" : "tree";
}
