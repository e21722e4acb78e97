/** The series of charts: numbers over time, and elements of arrays. */
import { scalarText } from "../view/reading.js";
import { fullStamp, stamp, zoneName, zoneOffset } from "../view/time.js";
import { decimalsFor, ticks, timeTicks } from "./ticks.js";
import { extent, historyExtent, lineTrace, stepTrace } from "./traces.js";
import { ofSeverity, severitiesIn } from "./views.js";
import { Viewport } from "./viewport.js";

const LIMITS = [["warning_limits", "minor"], ["alarm_limits", "major"]];
/** The smallest span (s). */
const CLOSEST = 0.1;
const DAY = 86400;

/**
 * A strip chart: numbers over time.
 *
 * @param {object} source
 * @param {() => object[]} source.traces of `stripTrace`
 * @param {() => number} source.now
 * @param {() => number} source.reach the maximum age of samples in seconds
 * @param {() => boolean} source.utc whether times are shown in UTC
 * @param {number} source.seconds the initial span
 */
export function stripSeries({ traces, now, reach, utc, seconds }) {
  const viewport = new Viewport(() => [now() - reach(), now()], seconds, CLOSEST);
  return { viewport, traces, ...timeAxis(now, utc) };
}

/** The properties of a time axis. */
export function timeAxis(now, utc) {
  return {
    xTicks: (range, target) => timeLabels(range, target, now(), utc()),
    xName: () => zoneName(now(), utc()),
    xText: (time) => stamp(time, now(), utc()),
  };
}

/**
 * @param {object} source
 * @param {(range: [number, number]) => import("./views.js").Timeline} source.samples for a visible range
 * @param {() => number} source.now
 * @param {() => boolean} source.utc
 * @param {() => object | null} source.metadata
 * @param {(value: number) => string} source.text a value as the row shows it
 */
export function stripTrace({ samples, now, utc, metadata, text }) {
  // Steps and alarms are drawn in parts of the visible range, which must not be requested separately.
  let shown;
  const timeline = (range) => (shown = samples(range));
  return {
    timeline,
    extent: (range, above) => historyExtent(timeline(range), range, above),
    steps: (draw, scale, range) => stepTrace(draw, shown, scale, range, now()),
    alarms: (range) => [...severitiesIn(shown, range)].filter((severity) => severity > 0),
    alarmSteps: (draw, scale, range, severity) => stepTrace(draw, ofSeverity(shown, severity), scale, range, now()),
    units: () => metadata()?.units ?? "",
    labels: () => metadata()?.enum_strs,
    limits: () => limitsOf(metadata()),
    read: (time, range) => readHistory(timeline(range), Math.min(time, now()), (value) => withUnits(text(value), metadata()), now(), utc()),
  };
}

/**
 * Arrays by element.
 *
 * @param {object} source
 * @param {() => object[]} source.traces of `waveTrace`
 * @param {() => number} source.length of the longest
 */
export function waveSeries({ traces, length }) {
  const viewport = new Viewport(() => [0, Math.max(1, length() - 1)], Infinity, 4);
  return {
    viewport,
    traces,
    xTicks: ([from, to], target) => {
      // There are no ticks between two elements.
      const whole = Math.min(target, Math.max(1, to - from));
      return ticks(from, to, whole).map((at) => ({ at, label: at.toFixed(0) }));
    },
    xName: () => "element",
    xText: (x) => `[${Math.round(x)}]`,
  };
}

/** @param {{list: () => ArrayLike<number>, metadata: () => object | null}} source */
export function waveTrace({ list, metadata }) {
  return {
    timeline: () => ({ revision: list(), length: 0 }),
    extent: ([from, to], above) => extent(list(), Math.max(0, Math.floor(from)), Math.min(list().length - 1, Math.ceil(to)), above),
    trace: (path, scale, range) => lineTrace(path, list(), scale, range),
    units: () => metadata()?.units ?? "",
    read: (x) => readElement(list(), Math.round(x), metadata()),
  };
}

function readHistory(history, time, text, now, utc) {
  const after = history.indexOf(time);
  // The value at a time is that of the last update before it.
  const i = after < history.length && history.time(after) === time ? after : after - 1;
  if (i < 0 || Number.isNaN(history.value(i))) return null;
  const y = history.value(i);
  return { x: time, y, text: `${text(y)}  at ${stamp(history.time(i), now, utc)}` };
}

function readElement(list, index, metadata) {
  const y = Number(list[index]);
  return Number.isFinite(y) ? { x: index, y, text: `[${index}]  ${withUnits(scalarText(y, metadata), metadata)}` } : null;
}

function withUnits(text, metadata) {
  return `${text}${metadata?.units ? ` ${metadata.units}` : ""}`;
}

function limitsOf(metadata) {
  // Both limits are zero if the record has none.
  const pairs = LIMITS.map(([key, kind]) => [metadata?.[key] ?? [], kind]).filter(([[low, high]]) => low !== high);
  return pairs.flatMap(([limits, kind]) => limits.filter(Number.isFinite).map((value) => ({ value, kind })));
}

/**
 * Labels always have hours, since `46:03.5` would be ambiguous, and the day if it is not today or the axis shows several.
 * @returns {{at: number, label: string}[]}
 */
function timeLabels([from, to], target, now, utc) {
  const marks = timeTicks(from, to, target, zoneOffset(now, utc));
  const isLong = to - from > DAY / 2;
  const digits = isLong ? 0 : Math.min(3, decimalsFor(from, to, target));
  const [today] = fullStamp(now, utc).split(" ");
  let before = today;
  return marks.map((at) => {
    const [day, time] = fullStamp(at, utc).split(" ");
    const label = [];
    if (isLong || day !== before) label.push(day.slice(0, 4) === today.slice(0, 4) ? day.slice(5) : day);
    label.push(isLong ? time.slice(0, 5) : time.slice(0, 8 + (digits && digits + 1)));
    before = day;
    return { at, label: marks[1] - marks[0] >= DAY && label[1] === "00:00" ? day : label.join(" ") };
  });
}
