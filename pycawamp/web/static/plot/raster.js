/** Converts frames of numbers to pixels of a canvas with a table, in some milliseconds per million. */
import { LEVELS, word } from "./colormap.js";

/**
 * @param {import("./frame.js").Frame} frame
 * @param {[number, number]} range the numbers of the first and the last level
 * @param {Uint32Array} colours of the levels
 * @param {Uint32Array} pixels the output
 */
export function paint(frame, range, colours, pixels) {
  if (frame.colours > 1) return paintColours(frame, range, pixels);
  const data = unsigned(frame.data);
  // A table would have more entries than a small picture has pixels.
  const size = data instanceof Uint8Array ? 1 << 8 : data instanceof Uint16Array && pixels.length > 1 << 16 ? 1 << 16 : 0;
  if (size > 0) {
    const table = tableOf(frame.data, size, range, colours);
    for (let i = 0; i < pixels.length; i += 1) pixels[i] = table[data[i]];
    return undefined;
  }
  paintNumbers(frame, range, colours, pixels);
  return undefined;
}

/** Like `scale`, but without a call for each pixel, which would take most of the time. */
function paintNumbers({ data, width, height, step }, [low, high], colours, pixels) {
  const last = LEVELS - 1;
  const factor = high > low ? last / (high - low) : 0;
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0, at = y * step.y; x < width; x += 1, i += 1, at += step.x) {
      const level = (data[at] - low) * factor;
      // The additional half millionth makes the last number the last level in spite of rounding.
      pixels[i] = colours[level > 0 ? (level < last ? (level + 5e-7) | 0 : last) : 0];
    }
  }
}

/** Indices of signed numbers by their bits. */
function unsigned(data) {
  if (data instanceof Int8Array) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  return data instanceof Int16Array ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
}

function tableOf(data, size, range, colours) {
  const level = scale(range);
  const isSigned = data instanceof Int8Array || data instanceof Int16Array;
  const table = new Uint32Array(size);
  for (let bits = 0; bits < size; bits += 1) table[bits] = colours[level(isSigned && bits >= size / 2 ? bits - size : bits)];
  return table;
}

/** @returns {(value: number) => number} the level of a number; NaN has the lowest */
function scale([low, high]) {
  const span = high > low ? high - low : Infinity;
  return (value) => {
    // This order of operations gives the last number the last level.
    const level = ((value - low) * (LEVELS - 1)) / span;
    return level > 0 ? (level < LEVELS ? level | 0 : LEVELS - 1) : 0;
  };
}

function paintColours({ data, width, height, step }, range, pixels) {
  const level = scale(range);
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 1) {
      const at = y * step.y + x * step.x;
      pixels[i] = word(level(data[at]), level(data[at + step.colour]), level(data[at + 2 * step.colour]));
    }
  }
}
