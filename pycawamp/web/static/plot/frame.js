/** A picture as numbers: the positions of pixels in an array, and their values. */

/** The possible numbers of values of a coloured pixel. */
const COLOURS = [3, 4];

/**
 * @typedef {object} Frame
 * @property {ArrayLike<number>} data
 * @property {number} width
 * @property {number} height
 * @property {number} colours 1 for grey; 3 or 4 with an alpha value that is not used
 * @property {{x: number, y: number, colour: number}} step elements from one pixel, row or colour to the next
 */

/**
 * The picture in an array: by its shape (rows, columns, and colours if there are any, which may
 * also come first or second), or by a width.
 *
 * @param {{value: any, shape?: readonly number[]}} update
 * @param {number} [width] pixels of a row, for an array of one dimension
 * @returns {Frame | null} null if it is not a picture
 */
export function frameOf({ value, shape = [] }, width = 0) {
  if (!ArrayBuffer.isView(value) && !Array.isArray(value)) return null;
  const data = /** @type {ArrayLike<number>} */ (numbers(value));
  const sizes = shape.length >= 2 ? [...shape] : width > 0 ? [Math.floor(data.length / width), width] : [];
  // With more dimensions, the first image is shown.
  while (sizes.length > 3) sizes.shift();
  if (sizes.length < 2 || sizes.some((size) => size < 1)) return null;
  if (sizes.length === 2) return grey(data, sizes[1], sizes[0]);
  const place = [2, 0, 1].find((i) => COLOURS.includes(sizes[i]));
  if (place === undefined) return grey(data, sizes[2], sizes[1]);
  return coloured(data, sizes, place);
}

function grey(data, width, height) {
  return { data, width, height, colours: 1, step: { x: 1, y: width, colour: 0 } };
}

function coloured(data, sizes, place) {
  const steps = [sizes[1] * sizes[2], sizes[2], 1];
  const [row, column] = [0, 1, 2].filter((i) => i !== place);
  return {
    data,
    width: sizes[column],
    height: sizes[row],
    colours: sizes[place],
    step: { x: steps[column], y: steps[row], colour: steps[place] },
  };
}

/** Converts 64-bit integers to doubles, for calculations. */
export function numbers(list) {
  return list instanceof BigInt64Array || list instanceof BigUint64Array ? Float64Array.from(list, Number) : list;
}

/** @returns {number | number[]} the value of a pixel, or its colours */
export function pixel({ data, colours, step }, x, y) {
  const at = y * step.y + x * step.x;
  return colours === 1 ? data[at] : [0, 1, 2].map((i) => data[at + i * step.colour]);
}

/** @returns {[number, number]} the lowest and the highest finite number; the first above the second if there is none */
export function range({ data, width, height, colours }) {
  const end = Math.min(data.length, width * height * colours);
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < end; i += 1) {
    const value = data[i];
    if (value < low && value > -Infinity) low = value;
    if (value > high && value < Infinity) high = value;
  }
  return [low, high];
}

/**
 * Statistics of a part of a grey image.
 *
 * @param {Frame} frame
 * @param {{x: number, y: number, width: number, height: number}} part in pixels, within the picture
 */
export function statistics(frame, { x, y, width, height }) {
  const { data, step } = frame;
  let [count, sum, low, high, sumX, sumY] = [0, 0, Infinity, -Infinity, 0, 0];
  for (let row = y; row < y + height; row += 1) {
    for (let column = x; column < x + width; column += 1) {
      const value = data[row * step.y + column * step.x];
      if (!Number.isFinite(value)) continue;
      count += 1;
      sum += value;
      low = Math.min(low, value);
      high = Math.max(high, value);
      sumX += value * column;
      sumY += value * row;
    }
  }
  return { count, sum, mean: sum / count, low, high, centre: sum === 0 ? null : [sumX / sum, sumY / sum] };
}
