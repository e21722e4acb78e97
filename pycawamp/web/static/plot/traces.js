/**
 * Lines through many points, with at most a few per pixel column. The points in a column are drawn
 * as a line from the lowest to the highest, so that the cost is limited by the width of the plot.
 */

/**
 * Draws a part of a step: from `left` to `right` at one height, or at one place from `low` to `high`.
 * @typedef {(left: number, right: number, low: number, high: number) => void} Pen
 */

/**
 * Draws a number over time as steps: a PV keeps its value until the next update. Since steps have no
 * slopes, they are drawn as rectangles, which is ten times as fast as a path.
 *
 * @param {Pen} draw
 * @param {import("./views.js").Timeline} history
 * @param {{x: (time: number) => number, y: (value: number) => number, column: number}} scale column: the width of a pixel column
 * @param {[number, number]} range of time
 * @param {number} now the time up to which the last value is drawn
 */
export function stepTrace(draw, history, scale, [from, to], now) {
  const { column: width } = scale;
  const column = { x: NaN, low: 0, high: 0, last: 0 };
  let down = false;
  for (let i = Math.max(0, history.indexOf(from) - 1); i < history.length && history.time(i) <= to; i += 1) {
    const value = history.value(i);
    const x = Math.round(scale.x(Math.max(from, history.time(i))) / width) * width;
    if (Number.isNaN(value)) {
      if (down) finish(draw, column, x, width);
      down = false;
      continue;
    }
    const y = scale.y(value);
    if (down && x !== column.x) finish(draw, column, x, width);
    if (!down) column.low = column.high = y;
    // At the beginning of a column, the line continues from the previous one.
    else if (x !== column.x) column.low = column.high = column.last;
    column.low = Math.min(column.low, y);
    column.high = Math.max(column.high, y);
    column.x = x;
    column.last = y;
    down = true;
  }
  if (down) finish(draw, column, scale.x(Math.min(now, to)), width);
}

/** Draws a column, and its last value up to `end`. */
function finish(draw, { x, low, high, last }, end, width) {
  if (low < high) draw(x, x, low, high);
  // The next column begins where this one ends.
  if (low === high || end > x + width) draw(x, Math.max(x, end), last, last);
}

/**
 * A pen for steps.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {number} width of the line
 * @param {number[]} [dash] lengths of a dash and of a gap: none for a line
 * @param {number} [origin] the column of x = 0, so that dashes move with the picture
 * @returns {Pen}
 */
export function stepPen(context, width, dash = [], origin = 0) {
  const half = width / 2;
  if (dash.length === 0) return (left, right, low, high) => context.fillRect(left - half, low - half, right - left + width, high - low + width);
  const [on, off] = dash;
  return (left, right, low, high) => {
    const into = (left + origin) % (on + off);
    for (let start = left - into; start <= right; start += on + off) {
      const [begin, end] = [Math.max(left, start), Math.min(right, start + on)];
      // Whole columns, since a line that covers two columns by half looks pale.
      if (begin < start + on) context.fillRect(begin - 0.5, low - half, Math.max(1, end - begin), high - low + width);
    }
  };
}

/**
 * Draws elements by index.
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
 * The extent of a history in a range of time, including the value at its start.
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
 * Adds a margin above and below; a flat line is in the middle.
 * @returns {[number, number]}
 */
export function padded([low, high]) {
  if (low > high) return [0, 1];
  const room = high - low || Math.abs(low) * 0.1 || 1;
  return [low - room * 0.06, high + room * 0.06];
}
