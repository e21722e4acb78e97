/** The layout in the page's address, so that bookmarks and shared links open the same page. */
import { FORMATS } from "../view/format.js";
import { isWidth, layout, LIMITS, PLAIN, shown, viewOf } from "./layout.js";
import { namesIn, typedName } from "./names.js";

/** Servers limit the length of request lines; longer lists are put after the `#`. */
const QUERY_LIMIT = 8000;
const FLAGS = ["compact", "wall", "descriptions", "worst"];
/** Prefix of the parameters that list the PVs with a format. */
const FORMAT = "format.";
/** Prefix of the parameters that list the arrays shown as pictures with a width. */
const WIDTH = "width.";

/**
 * Parses an address. A plus sign is not decoded as a space, since PV names may contain it.
 *
 * @returns {{layout: import("./layout.js").Layout, server: string | null}} `server`: the name of the
 *   gateway's layout that is to be shown instead
 */
export function readAddress({ search, hash } = globalThis.location) {
  const [query, fragment] = [search, hash].map((part) => new URLSearchParams(part.slice(1).replaceAll("+", "%2B")));
  const pairs = [...query, ...fragment];
  const flags = Object.fromEntries(FLAGS.map((key) => [key, query.get(key) === "1"]));
  return {
    layout: layout({
      name: (query.get("name") ?? "").slice(0, LIMITS.name),
      items: itemsIn(pairs),
      rate: query.get("rate"),
      charts: query.getAll("chart").map(namesIn),
      view: viewOf({ ...flags, columns: Number(query.get("columns")), show: query.get("show") }),
    }),
    server: query.get("layout"),
  };
}

/** @param {import("./layout.js").Layout} each */
export function addressOf({ name, items, rate, view, charts }) {
  const list = listOf(items);
  const long = list.length > QUERY_LIMIT;
  const query = [
    long ? "" : list,
    rate ? `rate=${encodeURIComponent(rate)}` : "",
    name ? `name=${readable(name)}` : "",
    ...charts.map((names) => `chart=${names.map(typed).join(",")}`),
    view.columns === PLAIN.columns ? "" : `columns=${view.columns}`,
    ...FLAGS.map((key) => (view[key] ? `${key}=1` : "")),
    view.show === PLAIN.show ? "" : `show=${view.show}`,
  ].filter(Boolean).join("&");
  return `${query ? `?${query}` : ""}${long ? `#${list}` : ""}`;
}

/** @param {import("./layout.js").Layout} each */
export function writeAddress(each) {
  history.replaceState(null, "", globalThis.location.pathname + addressOf(each));
}

/** @param {import("./layout.js").Shown} item @returns {string} the address of a page with this PV alone */
export function linkTo(item) {
  return new URL(addressOf(layout({ items: [item] })), location.href.replace(/[?#].*/, "")).href;
}

/** Names are not repeated: `pv=a,b&heading=Pumps&pv=c&format.hex=b&width.640=c`. */
function itemsIn(pairs) {
  const formats = chosenIn(pairs, FORMAT, (format) => (Object.hasOwn(FORMATS, format) ? format : null));
  const widths = chosenIn(pairs, WIDTH, (width) => (isWidth(Number(width)) ? Number(width) : null));
  const seen = new Set();
  const items = [];
  for (const [key, text] of pairs) {
    if (key === "heading") items.push({ heading: text.slice(0, LIMITS.heading) });
    for (const pv of key === "pv" ? namesIn(text) : []) {
      if (!seen.has(pv)) items.push(shown(pv, formats.get(pv), widths.get(pv)));
      seen.add(pv);
    }
  }
  return items.slice(0, LIMITS.items);
}

/** The values of parameters with a prefix, by the names of PVs. */
function chosenIn(pairs, prefix, valueOf) {
  const chosen = new Map();
  for (const [key, text] of pairs) {
    const value = key.startsWith(prefix) ? valueOf(key.slice(prefix.length)) : null;
    if (value !== null) for (const name of namesIn(text)) chosen.set(name, value);
  }
  return chosen;
}

function listOf(items) {
  const parts = [];
  let names = [];
  const flush = () => {
    if (names.length > 0) parts.push(`pv=${names.join(",")}`);
    names = [];
  };
  for (const item of items) {
    if ("pv" in item) names.push(typed(item.pv));
    else {
      flush();
      parts.push(`heading=${readable(item.heading)}`);
    }
  }
  flush();
  const pvs = items.filter((item) => "pv" in item);
  const formats = Object.keys(FORMATS).filter((format) => format !== "record");
  for (const format of formats) parts.push(parameter(`${FORMAT}${format}`, pvs.filter((item) => item.format === format)));
  const widths = new Set(pvs.map((item) => item.width).filter(Boolean));
  for (const width of widths) parts.push(parameter(`${WIDTH}${width}`, pvs.filter((item) => item.width === width)));
  return parts.filter(Boolean).join("&");
}

function parameter(key, items) {
  return items.length === 0 ? "" : `${key}=${items.map(({ pv }) => typed(pv)).join(",")}`;
}

function typed(name) {
  return readable(typedName(name));
}

/** The punctuation of PV names is allowed in a query and reads better than its code. */
function readable(name) {
  return encodeURIComponent(name).replace(/%(3A|2F|40|24|5B|5D)/g, decodeURIComponent);
}
