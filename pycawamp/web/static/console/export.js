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
export function csvOfHistory(name, history, [from, to], metadata) {
  const rows = [["time", name + (metadata?.units ? ` (${metadata.units})` : "")]];
  for (let i = Math.max(0, history.indexOf(from) - 1); i < history.length && history.time(i) <= to; i += 1) {
    const value = history.value(i);
    rows.push([timeText(history.time(i)), Number.isNaN(value) ? "" : String(value)]);
  }
  return csv(rows);
}

export function csvOfList(name, list) {
  return csv([["element", name], ...Array.from(list, (value, i) => [String(i), String(value)])]);
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
