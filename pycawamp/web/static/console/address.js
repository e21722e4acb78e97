/** The layout in the page's address: a bookmark or a shared link brings back the same page. */
import { FORMATS } from "../view/format.js";
import { layout, MOST, PLAIN, viewOf } from "./layout.js";
import { namesIn, typedName } from "./names.js";

/** Servers bound the length of a request's first line; longer lists go behind the `#`. */
const QUERY_LIMIT = 8000;
const FLAGS = ["compact", "wall", "descriptions", "worst"];
/** Before the name of a format: the PVs that have it. */
const FORMAT = "format.";

/**
 * A plus is a plus, as in a name, and not a blank, as in forms.
 *
 * @returns {{layout: import("./layout.js").Layout, server: string | null}} `server`: the name of
 *   a layout of the gateway's that is to be shown instead
 */
export function readAddress({ search, hash } = globalThis.location) {
  const [query, fragment] = [search, hash].map((part) => new URLSearchParams(part.slice(1).replaceAll("+", "%2B")));
  const pairs = [...query, ...fragment];
  const flags = Object.fromEntries(FLAGS.map((key) => [key, query.get(key) === "1"]));
  return {
    layout: layout({
      name: (query.get("name") ?? "").slice(0, MOST.name),
      items: itemsIn(pairs),
      rate: query.get("rate"),
      charts: query.getAll("chart").map(namesIn),
      view: viewOf({ ...flags, columns: Number(query.get("columns")), show: query.get("show") }),
    }),
    server: query.get("layout"),
  };
}

/** @param {import("./layout.js").Layout} shown */
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

/** @param {import("./layout.js").Layout} shown */
export function writeAddress(shown) {
  history.replaceState(null, "", globalThis.location.pathname + addressOf(shown));
}

/** @param {string} pv its name @param {string} format @returns {string} the address of a page with this PV alone */
export function linkTo(pv, format) {
  return new URL(addressOf(layout({ items: [{ pv, format }] })), location.href.replace(/[?#].*/, "")).href;
}

/** Each name once: `pv=a,b&heading=Pumps&pv=c&format.hex=b`. */
function itemsIn(pairs) {
  const formats = new Map();
  for (const [key, text] of pairs) {
    const format = key.slice(FORMAT.length);
    if (key.startsWith(FORMAT) && Object.hasOwn(FORMATS, format)) for (const name of namesIn(text)) formats.set(name, format);
  }
  const seen = new Set();
  const items = [];
  for (const [key, text] of pairs) {
    if (key === "heading") items.push({ heading: text.slice(0, MOST.heading) });
    for (const pv of key === "pv" ? namesIn(text) : []) {
      if (!seen.has(pv)) items.push({ pv, format: formats.get(pv) ?? "record" });
      seen.add(pv);
    }
  }
  return items.slice(0, MOST.items);
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
  for (const format of Object.keys(FORMATS)) {
    const some = format === "record" ? [] : items.filter((item) => "pv" in item && item.format === format);
    if (some.length > 0) parts.push(`${FORMAT}${format}=${some.map(({ pv }) => typed(pv)).join(",")}`);
  }
  return parts.join("&");
}

function typed(name) {
  return readable(typedName(name));
}

/** The punctuation of PV names is allowed in a query and reads better than its code. */
function readable(name) {
  return encodeURIComponent(name).replace(/%(3A|2F|40|24|5B|5D)/g, decodeURIComponent);
}
