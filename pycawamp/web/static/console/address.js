/** The list in the page's address: a bookmark or a shared link brings back the same page. */
import { namesIn, typedName } from "./names.js";

/** Servers bound the length of a request's first line; longer lists go behind the `#`. */
const QUERY_LIMIT = 8000;

/**
 * A plus is a plus, as in a name, and not a blank, as in forms.
 *
 * @returns {{names: string[], rate: string | null, charts: string[][]}}
 */
export function readAddress({ search, hash } = globalThis.location) {
  const [query, fragment] = [search, hash].map((part) => new URLSearchParams(part.slice(1).replaceAll("+", "%2B")));
  const lists = [...query.getAll("pv"), ...fragment.getAll("pv")];
  return { names: namesIn(lists.join(",")), rate: query.get("rate"), charts: query.getAll("chart").map(namesIn) };
}

/** @param {string[]} names @param {string | null} rate null: the usual one, which needs no mention */
export function addressOf(names, rate, charts = []) {
  const list = names.length > 0 ? `pv=${names.map(typedName).map(readable).join(",")}` : "";
  const lists = charts.map((each) => `chart=${each.map(typedName).map(readable).join(",")}`);
  const long = list.length > QUERY_LIMIT;
  const query = [long ? "" : list, rate ? `rate=${encodeURIComponent(rate)}` : "", ...lists].filter(Boolean).join("&");
  return `${query ? `?${query}` : ""}${long ? `#${list}` : ""}`;
}

export function writeAddress(names, rate, charts) {
  history.replaceState(null, "", globalThis.location.pathname + addressOf(names, rate, charts));
}

/** The punctuation of PV names is allowed in a query and reads better than its code. */
function readable(name) {
  return encodeURIComponent(name).replace(/%(3A|2F|40|24|5B|5D)/g, decodeURIComponent);
}
