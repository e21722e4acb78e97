/** The newest image of a PV as a canvas in its own resolution. */
import { colormap } from "./colormap.js";
import { frameOf, range } from "./frame.js";
import { paint } from "./raster.js";

export class Picture {
  /** @type {import("./frame.js").Frame | null} its numbers; null if it was compressed */
  frame = null;
  /** @type {[number, number]} the numbers with the first and the last colour */
  range = [0, 1];
  /** While this is the same object, the picture or its problem is the same. */
  revision = {};
  /** The reason why there is no picture, or "". */
  problem = "no picture yet";
  canvas = document.createElement("canvas");
  #context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  /** @type {ImageData | null} */
  #pixels = null;
  #decoded;
  /** Counts pictures: a compressed one is not shown if a newer one has been decoded before it. */
  #number = 0;

  /** @param {() => void} decoded called when a compressed picture can be drawn */
  constructor(decoded) {
    this.#decoded = decoded;
  }

  get size() {
    return { width: this.canvas.width, height: this.canvas.height };
  }

  /**
   * @param {object} update
   * @param {number} width of arrays without rows
   * @param {[number, number] | null} fixed the range of numbers; null: that of the picture
   * @param {string} map a name of COLORMAPS
   */
  show(update, width, fixed, map) {
    this.#number += 1;
    this.revision = {};
    this.frame = null;
    if (update.codec) return this.#decode(update);
    const frame = frameOf(update, width);
    this.problem = frame ? "" : "The value is no picture.";
    if (!frame) return undefined;
    this.frame = frame;
    this.range = fixed ?? range(frame);
    const pixels = this.#resize(frame);
    paint(frame, this.range, colormap(map), new Uint32Array(pixels.data.buffer));
    this.#context.putImageData(pixels, 0, 0);
    return undefined;
  }

  async #decode({ codec, value }) {
    if (codec !== "jpeg") {
      this.problem = `The picture is compressed by ${codec}, which is not shown here.`;
      return;
    }
    const number = this.#number;
    let bitmap;
    try {
      bitmap = await createImageBitmap(new Blob([value], { type: "image/jpeg" }));
    } catch {
      if (number !== this.#number) return;
      this.problem = "The picture is not a valid JPEG.";
      this.revision = {};
      return;
    }
    if (number === this.#number) {
      this.#resize(bitmap);
      this.#context.drawImage(bitmap, 0, 0);
      this.problem = "";
      this.revision = {};
      this.#decoded();
    }
    bitmap.close();
  }

  #resize({ width, height }) {
    const pixels = this.#pixels;
    if (pixels && pixels.width === width && pixels.height === height) return pixels;
    Object.assign(this.canvas, { width, height });
    return (this.#pixels = this.#context.createImageData(width, height));
  }

  release() {
    this.#number += 1;
    this.canvas.width = this.canvas.height = 0;
    this.#pixels = null;
  }
}
