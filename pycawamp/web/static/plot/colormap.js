/** Colours for 256 levels, as 32-bit words of a canvas's pixels. */

/** Stops from the lowest level to the highest: red, green, blue. */
const STOPS = {
  Grey: [[0, 0, 0], [255, 255, 255]],
  Inverse: [[255, 255, 255], [0, 0, 0]],
  Viridis: [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37]],
  Heat: [[0, 0, 0], [130, 0, 0], [255, 60, 0], [255, 170, 0], [255, 255, 90], [255, 255, 255]],
  Rainbow: [[0, 0, 130], [0, 60, 255], [0, 220, 255], [90, 255, 160], [255, 220, 0], [255, 50, 0], [130, 0, 0]],
};

export const COLORMAPS = Object.keys(STOPS);
export const LEVELS = 256;

/** @param {string} name one of COLORMAPS @returns {Uint32Array} a word for each level */
export function colormap(name) {
  const stops = STOPS[name];
  return Uint32Array.from({ length: LEVELS }, (_, level) => {
    const place = (level / (LEVELS - 1)) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    const [red, green, blue] = stops[below].map((low, i) => low + (stops[below + 1][i] - low) * (place - below));
    return word(red, green, blue);
  });
}

const HOST_IS_LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** The word of an opaque pixel, whose bytes in memory are red, green, blue, alpha. */
export function word(red, green, blue) {
  const [r, g, b] = [Math.round(red), Math.round(green), Math.round(blue)];
  return (HOST_IS_LITTLE ? (255 << 24) | (b << 16) | (g << 8) | r : (r << 24) | (g << 16) | (b << 8) | 255) >>> 0;
}
