/** The facts about a PV, as pairs of texts. */
import { UNWRITABLE } from "../view/entry.js";
import { exactValue } from "../view/reading.js";
import { duration, fullStamp, neverProcessed, zoneName } from "../view/time.js";
import { statusOf } from "./status.js";

/** A time in a text from the gateway. */
const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00/g;

/** @param {object} watch @param {number} now @param {boolean} [utc] @returns {[string, string][]} */
export function factsOf(watch, now, utc = false) {
  const { pv, update, metadata } = watch;
  /** @type {[string, string][]} */
  const facts = [["State", pv.connected ? "connected" : stateText(statusOf(watch))]];
  if (pv.reason) facts.push(["Reason", pv.reason.replace(INSTANT, (text) => timeText(Date.parse(text) / 1000, utc))]);
  if (update) facts.push(...reading(update, metadata, now, utc, pv.connected));
  if (metadata) facts.push(...description(metadata));
  return facts;
}

/** A time with seconds, in the time zone of the page. */
function timeText(seconds, utc) {
  return `${fullStamp(seconds, utc).slice(0, -4)} ${zoneName(seconds, utc)}`;
}

function stateText({ word, hint }) {
  return `${word}: ${hint}`;
}

/** @returns {[string, string][]} */
function reading(update, metadata, now, utc, connected) {
  const { severity, status, timestamp } = update;
  const value = exactValue(update, metadata);
  const age = neverProcessed(timestamp) ? "" : ` (${ageText(now - timestamp)})`;
  /** @type {[string, string][]} */
  const raw = ["number", "bigint"].includes(typeof value) ? [["Raw value", String(value)]] : [];
  const alarm = alarmText(severity, status);
  const zone = neverProcessed(timestamp) ? "" : ` ${zoneName(timestamp, utc)}`;
  return [["Alarm", connected ? alarm : `unknown; last seen: ${alarm}`], ["IOC time", `${fullStamp(timestamp, utc)}${zone}${age}`], ...raw];
}

function ageText(seconds) {
  return seconds < -1 ? `${duration(-seconds)} in the future` : `${duration(seconds)} ago`;
}

function alarmText(severity = "not known", status = "") {
  return severity === "NO_ALARM" ? "none" : `${severity} ${status}`.trim();
}

/** @returns {[string, string][]} */
function description(metadata) {
  const { type, count, units, precision, enum_strs: labels, host } = metadata;
  const { display_limits: display, control_limits: control, warning_limits: warning, alarm_limits: alarm } = metadata;
  /** @type {[string, string][]} */
  const rows = [
    ["Type", count === 1 ? type : `${type} × ${count}`],
    ["Description", metadata.description],
    ["Units", units],
    ["Shown as", metadata.form],
    ["Precision", precision === undefined ? undefined : String(precision)],
    ["Choices", labels?.map((label, i) => `${i} ${label}`).join(" · ")],
    ["Display limits", range(display)],
    ["Control limits", range(control)],
    ["Warning limits", range(warning)],
    ["Alarm limits", range(alarm)],
    ["Access", access(metadata)],
    ["Host", host],
  ];
  return rows.filter(([, value]) => value);
}

/** A range as text. Records without limits have equal ones or none at all, for which nothing is shown. */
function range([low, high] = []) {
  const number = (value) => (value === null || Number.isNaN(value) ? "none" : String(value));
  return low === undefined || low === high ? undefined : `${number(low)} … ${number(high)}`;
}

/** Write access; with pvAccess, it is unknown until a write is tried. */
const WRITE_ACCESS = new Map([[true, "write"], [null, "write unless the IOC refuses it"]]);

function access({ type, read_access: read, write_access: write }) {
  if (read === undefined && write === undefined) return undefined;
  return [read === false ? "no read" : "read", UNWRITABLE.includes(type) ? "no write" : WRITE_ACCESS.get(write) ?? "no write"].join(", ");
}
