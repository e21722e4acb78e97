/** Export of the shown values as files. */
import { isList } from "../view/reading.js";
import { el } from "./dom.js";

/** @param {string} file @param {Blob} blob */
export function download(file, blob) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: file });
  link.click();
  // By then, the browser has its own reference.
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/** A file name such as `demo_sine 20240501T140307Z.csv`, without characters that file systems do not allow. */
export function fileName(name, seconds, ending) {
  const time = timeText(seconds).replace(/[-:]|\.\d+/g, "");
  return `${name.replace(/[^\w.-]+/g, "_").slice(0, 80)} ${time}.${ending}`;
}

/**
 * The samples of a range, beginning with the value at its start. An empty value is a gap.
 *
 * @param {string} name
 * @param {import("../plot/views.js").Timeline} history
 * @param {[number, number]} range
 * @param {object | null} metadata
 */
export function csvOfHistory(name, history, range, metadata) {
  const rows = samplesIn(history, range).map(([time, value]) => [timeText(time), value]);
  return csv([["time", name + (metadata?.units ? ` (${metadata.units})` : "")], ...rows]);
}

/**
 * The samples of several PVs by time, one a line: each has stamps of its own.
 *
 * @param {{name: string, history: import("../plot/views.js").Timeline, units: string}[]} parts
 * @param {[number, number]} range
 */
export function csvOfHistories(parts, range) {
  const rows = parts.flatMap(({ name, history, units }) => samplesIn(history, range).map(([time, value]) => ({ time, cells: [name, value, units] })));
  rows.sort((one, other) => one.time - other.time);
  return csv([["time", "PV", "value", "units"], ...rows.map(({ time, cells }) => [timeText(time), ...cells])]);
}

/** @param {{name: string, list: ArrayLike<unknown>}[]} parts a column each */
export function csvOfLists(parts) {
  const length = Math.max(...parts.map(({ list }) => list.length));
  const rows = Array.from({ length }, (_, i) => [String(i), ...parts.map(({ list }) => (i < list.length ? String(list[i]) : ""))]);
  return csv([["element", ...parts.map(({ name }) => name)], ...rows]);
}

/** @param {import("./watch.js").Watch[]} watches @param {(watch: any) => string} stateOf */
export function csvOfAll(watches, stateOf) {
  const rows = watches.map((watch) => {
    const { update, metadata, name } = watch;
    const value = update ? valueText(update.value) : "";
    const text = typeof update?.text === "string" && !isList(update.value) ? update.text : "";
    return [name, value, text, update?.units ?? metadata?.units ?? "", stateOf(watch), update ? timeText(update.timestamp) : ""];
  });
  return csv([["PV", "value", "text", "units", "state", "IOC time"], ...rows]);
}

/** @param {import("./alarms.js").Change[]} changes */
export function csvOfChanges(changes) {
  return csv([["time", "PV", "state", "value"], ...changes.map(({ time, name, condition, value }) => [timeText(time), name, condition.text, value])]);
}

/** @returns {[number, string][]} */
function samplesIn(history, [from, to]) {
  const [first, end] = [Math.max(0, history.indexOf(from) - 1), history.length];
  const found = /** @type {[number, string][]} */ ([]);
  for (let i = first; i < end && history.time(i) <= to; i += 1) found.push([history.time(i), Number.isNaN(history.value(i)) ? "" : String(history.value(i))]);
  return found;
}

function valueText(value) {
  if (isList(value)) return Array.from(value).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A time in UTC, with microseconds. */
function timeText(seconds) {
  const whole = Math.floor(seconds);
  const micros = Math.min(999999, Math.round((seconds - whole) * 1e6));
  const date = new Date(whole * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().replace(/\.\d+Z$/, `.${String(micros).padStart(6, "0")}Z`);
}

function csv(rows) {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** Escapes texts that a spreadsheet would evaluate as formulas. */
function cell(text) {
  const isFormula = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text));
  const safe = isFormula ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
