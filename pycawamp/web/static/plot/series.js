/** What charts show: a number over time, and the elements of an array. */
import { scalarText } from "../view/reading.js";
import { timeOfDay, zoneName } from "../view/time.js";
import { decimalsFor, ticks, timeTicks } from "./ticks.js";
import { extent, historyExtent, lineTrace, stepTrace } from "./traces.js";
import { Viewport } from "./viewport.js";

const LIMITS = [["warning_limits", "minor"], ["alarm_limits", "major"]];
/** The closest zoom (s). */
const CLOSEST = 0.1;

/**
 * @param {object} source
 * @param {() => import("./history.js").History} source.history
 * @param {() => number} source.now
 * @param {() => boolean} source.utc whether times are told in UTC
 * @param {() => object | null} source.metadata
 * @param {(value: number) => string} source.text a value as the row shows it
 * @param {number} source.seconds shown at first
 */
export function stripSeries({ history, now, utc, metadata, text, seconds }) {
  const viewport = new Viewport(() => [now() - history().seconds, now()], seconds, CLOSEST);
  return {
    viewport,
    extent: (range, above) => historyExtent(history(), range, above),
    trace: (path, scale, range) => stepTrace(path, history(), scale, range, now()),
    xTicks: ([from, to], wanted) => timeTicks(from, to, wanted).map((at) => ({ at, label: clock(at, decimalsFor(from, to, wanted), utc()) })),
    xName: () => zoneName(now(), utc()),
    units: () => metadata()?.units ?? "",
    labels: () => metadata()?.enum_strs,
    limits: () => limitsOf(metadata()),
    read: (time) => readHistory(history(), Math.min(time, now()), (value) => withUnits(text(value), metadata()), utc()),
  };
}

/** @param {{list: () => ArrayLike<number>, metadata: () => object | null}} source */
export function waveSeries({ list, metadata }) {
  const viewport = new Viewport(() => [0, Math.max(1, list().length - 1)], Infinity, 4);
  return {
    viewport,
    extent: ([from, to], above) => extent(list(), Math.max(0, Math.floor(from)), Math.min(list().length - 1, Math.ceil(to)), above),
    trace: (path, scale, range) => lineTrace(path, list(), scale, range),
    xTicks: ([from, to], wanted) => {
      const decimals = decimalsFor(from, to, wanted);
      return ticks(from, to, wanted).map((at) => ({ at, label: at.toFixed(decimals) }));
    },
    xName: () => "element",
    units: () => metadata()?.units ?? "",
    limits: () => [],
    read: (x) => readElement(list(), Math.round(x), metadata()),
  };
}

function readHistory(history, time, text, utc) {
  const after = history.indexOf(time);
  // Steps: what holds at a moment is the last update before it.
  const i = after < history.length && history.time(after) === time ? after : after - 1;
  if (i < 0 || Number.isNaN(history.value(i))) return null;
  const y = history.value(i);
  return { x: time, y, text: `${text(y)}  at ${timeOfDay(history.time(i), utc)}` };
}

function readElement(list, index, metadata) {
  const y = Number(list[index]);
  return Number.isFinite(y) ? { x: index, y, text: `[${index}]  ${withUnits(scalarText(y, metadata), metadata)}` } : null;
}

function withUnits(text, metadata) {
  return `${text}${metadata?.units ? ` ${metadata.units}` : ""}`;
}

function limitsOf(metadata) {
  // Records without limits have both at zero.
  const pairs = LIMITS.map(([key, kind]) => [metadata?.[key] ?? [], kind]).filter(([[low, high]]) => low !== high);
  return pairs.flatMap(([limits, kind]) => limits.filter(Number.isFinite).map((value) => ({ value, kind })));
}

/** Always with hours: `46:03.5` could be anything. */
function clock(seconds, decimals, utc) {
  const digits = Math.min(3, decimals);
  return timeOfDay(seconds, utc).slice(0, 8 + (digits && digits + 1));
}
