/** What charts show: a number over time, and the elements of an array. */
import { scalarText } from "../view/reading.js";
import { timeOfDay } from "../view/time.js";
import { decimalsFor, ticks, timeTicks } from "./ticks.js";
import { extent, historyExtent, lineTrace, stepTrace } from "./traces.js";
import { Viewport } from "./viewport.js";

/** A strip that just began is drawn as if it were this long (s). */
const LEAST = 15;
const LIMITS = [["warning_limits", "minor"], ["alarm_limits", "major"]];

/**
 * @param {object} source
 * @param {() => import("./history.js").History} source.history
 * @param {() => number} source.now
 * @param {() => object | null} source.metadata
 * @param {() => number} source.started before it there is nothing
 * @param {number} source.seconds shown at first
 */
export function stripSeries({ history, now, started, metadata, seconds }) {
  const viewport = new Viewport(() => [Math.min(now() - LEAST, Math.max(now() - history().seconds, started())), now()], seconds, 0.5);
  return {
    viewport,
    extent: (range) => historyExtent(history(), range),
    trace: (path, scale, range) => stepTrace(path, history(), scale, range, now()),
    xTicks: ([from, to], wanted) => timeTicks(from, to, wanted).map((at) => ({ at, label: clock(at, to - from) })),
    labels: () => metadata()?.enum_strs,
    limits: () => limitsOf(metadata()),
    read: (time) => readHistory(history(), Math.min(time, now()), metadata()),
  };
}

/** @param {{list: () => ArrayLike<number>, metadata: () => object | null}} source */
export function waveSeries({ list, metadata }) {
  const viewport = new Viewport(() => [0, Math.max(1, list().length - 1)], Infinity, 4);
  return {
    viewport,
    extent: ([from, to]) => extent(list(), Math.max(0, Math.floor(from)), Math.min(list().length - 1, Math.ceil(to))),
    trace: (path, scale, range) => lineTrace(path, list(), scale, range),
    xTicks: ([from, to], wanted) => {
      const decimals = decimalsFor(from, to, wanted);
      return ticks(from, to, wanted).map((at) => ({ at, label: at.toFixed(decimals) }));
    },
    limits: () => [],
    read: (x) => readElement(list(), Math.round(x), metadata()),
  };
}

function readHistory(history, time, metadata) {
  const after = history.indexOf(time);
  // Steps: what holds at a moment is the last update before it.
  const i = after < history.length && history.time(after) === time ? after : after - 1;
  if (i < 0 || Number.isNaN(history.value(i))) return null;
  const y = history.value(i);
  return { x: time, y, text: `${withUnits(y, metadata)}  at ${timeOfDay(history.time(i))}` };
}

function readElement(list, index, metadata) {
  const y = Number(list[index]);
  return Number.isFinite(y) ? { x: index, y, text: `[${index}]  ${withUnits(y, metadata)}` } : null;
}

function withUnits(value, metadata) {
  return `${scalarText(value, metadata)}${metadata?.units ? ` ${metadata.units}` : ""}`;
}

function limitsOf(metadata) {
  // Records without limits have both at zero.
  const pairs = LIMITS.map(([key, kind]) => [metadata?.[key] ?? [], kind]).filter(([[low, high]]) => low !== high);
  return pairs.flatMap(([limits, kind]) => limits.filter(Number.isFinite).map((value) => ({ value, kind })));
}

function clock(seconds, span) {
  const text = timeOfDay(seconds);
  return span < 5 ? text.slice(3, -2) : text.slice(0, 8);
}
