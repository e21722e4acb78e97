/** A short text of a watch's value, with units. */
import { extent } from "../plot/traces.js";
import { formattedText } from "../view/format.js";

/** @param {import("./watch.js").Watch} watch */
export function valueText(watch) {
  const { update, metadata, kind } = watch;
  if (!update) return "";
  const text = kind === "array" ? arrayText(update.value) : formattedText(update, metadata, watch.format);
  return update.units ? `${text} ${update.units}` : text;
}

/** The length and range of an array, whose elements are shown in a plot. */
export function arrayText(list) {
  const [low, high] = extent(list);
  const short = (number) => String(Number(number.toPrecision(3)));
  return low > high ? `[${list.length}]` : `[${list.length}]  ${short(low)} … ${short(high)}`;
}
