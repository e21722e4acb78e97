/**
 * Lines through many points, at most a few per pixel column: what falls into one column is drawn
 * as its lowest to its highest, so that a million elements cost no more than the plot is wide.
 */

/**
 * A number over time, as steps: a PV keeps its value until the next update.
 *
 * @param {Path2D} path
 * @param {import("./views.js").Timeline} history
 * @param {{x: (time: number) => number, y: (value: number) => number}} scale
 * @param {[number, number]} range of time
 * @param {number} now until when the last value holds
 */
export function stepTrace(path, history, scale, range, now) {
  const [from, to] = range;
  const start = Math.max(0, history.indexOf(from) - 1);
  const column = { x: NaN, low: 0, high: 0, last: 0 };
  let down = false;
  let i = start;
  for (; i < history.length && history.time(i) <= to; i += 1) {
    const value = history.value(i);
    const x = Math.round(scale.x(Math.max(from, history.time(i))) * 2) / 2;
    if (Number.isNaN(value)) {
      if (down) finish(path, column, x);
      down = false;
      continue;
    }
    const y = scale.y(value);
    if (!down) path.moveTo(x, y);
    if (!down || x !== column.x) {
      if (down) finish(path, column, x);
      path.lineTo(x, y);
      Object.assign(column, { x, low: y, high: y });
    }
    column.low = Math.min(column.low, y);
    column.high = Math.max(column.high, y);
    column.last = y;
    down = true;
  }
  if (down) finish(path, column, scale.x(Math.min(now, to)));
}

/** Completes a column and holds its last value up to `x`. */
function finish(path, column, x) {
  if (column.low !== column.high) {
    path.lineTo(column.x, column.low);
    path.lineTo(column.x, column.high);
  }
  path.lineTo(column.x, column.last);
  path.lineTo(Math.max(x, column.x), column.last);
}

/**
 * Elements by index.
 *
 * @param {Path2D} path
 * @param {ArrayLike<number>} list
 * @param {{x: (index: number) => number, y: (value: number) => number}} scale
 * @param {[number, number]} range of indices
 */
export function lineTrace(path, list, scale, range) {
  const [from, to] = range;
  const first = Math.max(0, Math.floor(from));
  const last = Math.min(list.length - 1, Math.ceil(to));
  const perPixel = 1 / Math.max(1e-9, scale.x(1) - scale.x(0));
  if (perPixel <= 2) return points(path, list, scale, first, last);
  let down = false;
  for (let start = first; start <= last; start += perPixel) {
    const [low, high] = extent(list, Math.floor(start), Math.min(last, Math.floor(start + perPixel)));
    if (low > high) {
      down = false;
      continue;
    }
    const x = scale.x(start);
    if (down) path.lineTo(x, scale.y(high));
    else path.moveTo(x, scale.y(high));
    path.lineTo(x, scale.y(low));
    down = true;
  }
}

function points(path, list, scale, first, last) {
  let down = false;
  for (let i = first; i <= last; i += 1) {
    const value = Number(list[i]);
    if (!Number.isFinite(value)) down = false;
    else if (down) path.lineTo(scale.x(i), scale.y(value));
    else {
      path.moveTo(scale.x(i), scale.y(value));
      down = true;
    }
  }
}

/** @returns {[number, number]} lowest and highest finite element; the first above the second when none */
export function extent(list, first = 0, last = list.length - 1, above = -Infinity) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = first; i <= last; i += 1) {
    const value = Number(list[i]);
    if (value < low && value > above) low = value;
    if (value > high && value > above && value < Infinity) high = value;
  }
  return [low, high];
}

/**
 * The extent of a history in a range of time, the value that held at its start included.
 * @returns {[number, number]}
 */
export function historyExtent(history, [from, to], above = -Infinity) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = Math.max(0, history.indexOf(from) - 1); i < history.length && history.time(i) <= to; i += 1) {
    const value = history.value(i);
    if (value < low && value > above) low = value;
    if (value > high && value > above && value < Infinity) high = value;
  }
  return [low, high];
}

/**
 * A little room above and below; a flat line lies in the middle.
 * @returns {[number, number]}
 */
export function padded([low, high]) {
  if (low > high) return [0, 1];
  const room = high - low || Math.abs(low) * 0.1 || 1;
  return [low - room * 0.08, high + room * 0.08];
}
