/** A layout: an ordered list of PVs and headings, and how they are shown. */
import { FORMATS } from "../view/format.js";

/** Maximum numbers of entries, lengths of texts, size and width. */
export const LIMITS = { items: 20000, charts: 50, name: 100, heading: 100, pv: 1000, bytes: 1048576, width: 999999 };
export const COLUMNS = [1, 2, 3, 4];
/** The choices of which rows are shown. */
export const SHOWN = { all: "all", alarms: "in alarm", severe: "major or worse", new: "not acknowledged" };
/** What is said if these are none. */
export const NONE_SHOWN = { alarms: "No PV is in alarm.", severe: "No PV is MAJOR or worse.", new: "All alarms are acknowledged." };

/**
 * @typedef {{heading: string}} Heading
 * @typedef {{pv: string, format: string, width: number}} Shown a PV, a key of FORMATS, and the pixels of a row if its array is shown as a picture
 * @typedef {Heading | Shown} Item
 *
 * @typedef {object} View
 * @property {number} columns
 * @property {boolean} compact
 * @property {boolean} wall large type without controls
 * @property {boolean} descriptions beside the names
 * @property {string} show a key of SHOWN
 * @property {boolean} worst whether the worst alarms come first
 *
 * @typedef {object} Layout
 * @property {string} name
 * @property {Item[]} items
 * @property {string | null} rate null: the default
 * @property {string[][]} charts the PVs in each chart
 * @property {View} view
 */

/** @type {View} */
export const PLAIN = { columns: 1, compact: false, wall: false, descriptions: false, show: "all", worst: false };

/** @param {Partial<Layout>} parts @returns {Layout} */
export function layout({ name = "", items = [], rate = null, charts = [], view = PLAIN }) {
  return { name, items, rate, charts, view };
}

/** @param {string} pv @param {string} [format] @param {number} [width] 0: no picture @returns {Shown} */
export function shown(pv, format = "record", width = 0) {
  return { pv, format, width };
}

/** @param {unknown} width @returns {boolean} whether it can be the width of a picture */
export function isWidth(width) {
  return Number.isInteger(width) && Number(width) > 0 && Number(width) <= LIMITS.width;
}

/** @param {Layout} each @returns {string} a file */
export function jsonOf({ name, items, rate, charts, view }) {
  /** @type {{heading?: string, pvs: any[]}[]} */
  const groups = [];
  for (const item of items) {
    if ("heading" in item) groups.push({ heading: item.heading, pvs: [] });
    else {
      if (groups.length === 0) groups.push({ pvs: [] });
      groups[groups.length - 1].pvs.push(entryOf(item));
    }
  }
  const changed = Object.fromEntries(Object.entries(view).filter(([key, value]) => value !== PLAIN[key]));
  return `${JSON.stringify({ name, rate: rate ?? undefined, view: changed, charts: charts.length > 0 ? charts : undefined, groups }, null, 2)}\n`;
}

/** @param {Shown} shown @returns {string | object} the name, and settings that differ from the defaults */
function entryOf({ pv, format, width }) {
  const chosen = { ...(format !== "record" && { format }), ...(width > 0 && { width }) };
  return Object.keys(chosen).length === 0 ? pv : { pv, ...chosen };
}

/**
 * @param {string} text of a file
 * @returns {Layout}
 * @throws {Error} if the text is not a layout; the message names the expected part
 */
export function layoutOf(text) {
  if (text.length > LIMITS.bytes) throw new Error(`expected at most ${LIMITS.bytes} characters`);
  const { name = "", rate = null, view = {}, charts = [], groups, ...others } = objectIn(parsed(text), "an object with \"groups\"");
  if (Object.keys(others).length > 0) throw new Error(`unknown ${JSON.stringify(Object.keys(others)[0])}; expected name, rate, view, charts and groups`);
  if (rate !== null && typeof rate !== "string") throw new Error('expected "rate" to be a string such as "5"');
  const items = listIn(groups, '"groups" to be a list').flatMap(itemsOf);
  if (items.length > LIMITS.items) throw new Error(`expected at most ${LIMITS.items} PVs and headings`);
  return { name: textIn(name, LIMITS.name, '"name"'), rate, charts: chartsIn(charts), view: viewOf(view), items };
}

/** @param {object} given @returns {View} with its valid parts, and defaults for the others */
export function viewOf(given) {
  const view = objectIn(given, '"view" to be an object');
  const flags = Object.fromEntries(["compact", "wall", "descriptions", "worst"].map((key) => [key, view[key] === true]));
  return /** @type {View} */ ({
    ...PLAIN, ...flags,
    columns: COLUMNS.includes(view.columns) ? view.columns : PLAIN.columns,
    show: Object.hasOwn(SHOWN, view.show ?? "") ? view.show : PLAIN.show,
  });
}

/** @returns {string[][]} */
function chartsIn(given) {
  const lists = listIn(given, '"charts" to be a list');
  if (lists.length > LIMITS.charts) throw new Error(`expected at most ${LIMITS.charts} charts`);
  return lists.map((names) => listIn(names, "each chart to be a list of PVs").map((name) => textIn(name, LIMITS.pv, "each PV of a chart")));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`not JSON: ${error.message}`, { cause: error });
  }
}

/** @returns {Item[]} */
function itemsOf(given) {
  const { heading, pvs } = objectIn(given, "each group to be an object with \"pvs\"");
  const entries = listIn(pvs, '"pvs" to be a list').map(shownIn);
  return heading === undefined ? entries : [{ heading: textIn(heading, LIMITS.heading, '"heading"') }, ...entries];
}

/** @returns {Shown} */
function shownIn(given) {
  const { pv, format = "record", width = 0 } = typeof given === "string" ? { pv: given } : objectIn(given, 'each PV to be a name or an object with "pv"');
  if (!Object.hasOwn(FORMATS, format)) throw new Error(`expected "format" to be one of ${Object.keys(FORMATS).join(", ")}`);
  if (width !== 0 && !isWidth(width)) throw new Error(`expected "width" to be a whole number from 1 to ${LIMITS.width}`);
  const name = textIn(pv, LIMITS.pv, '"pv"').trim();
  if (name === "") throw new Error("expected the name of a PV, not an empty string");
  return shown(name, format, width);
}

function objectIn(given, expected) {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw new Error(`expected ${expected}`);
  return given;
}

function listIn(given, expected) {
  if (!Array.isArray(given)) throw new Error(`expected ${expected}`);
  return given;
}

function textIn(given, max, what) {
  if (typeof given !== "string" || given.length > max) throw new Error(`expected ${what} to be a string of at most ${max} characters`);
  return given;
}
