/** Gestures on a picture, passed to its camera; a drag marks a region. */

import { CLICK_PIXELS, listen } from "../plot/listen.js";

const ZOOM = 2;
const SCROLL = 40;
const KEYS = { ArrowLeft: [SCROLL, 0], ArrowRight: [-SCROLL, 0], ArrowUp: [0, SCROLL], ArrowDown: [0, -SCROLL] };

export class ImageGestures {
  /** @type {{x: number, y: number} | null} the pixel under the pointer */
  hover = null;
  /** @type {{x: number, y: number, width: number, height: number} | null} what a drag has marked, in pixels */
  region = null;
  #canvas;
  #camera;
  #sizes;
  #changed;
  /** @type {{start: [number, number], last: [number, number], scrolls: boolean, marks: boolean} | null} */
  #drag = null;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import("../plot/camera.js").Camera} camera
   * @param {() => {picture: {width: number, height: number}, surface: {width: number, height: number}}} sizes
   * @param {() => void} changed
   */
  constructor(canvas, camera, sizes, changed) {
    this.#canvas = canvas;
    this.#camera = camera;
    this.#sizes = sizes;
    this.#changed = changed;
    listen(canvas, this, changed);
  }

  /** Shows all, without a region. */
  reset() {
    this.#camera.reset();
    this.region = null;
    this.#changed();
  }

  wheel(event) {
    this.#zoom(1.0015 ** -event.deltaY, this.#point(event));
  }

  press(event) {
    this.#drag = { start: this.#point(event), last: this.#point(event), scrolls: event.shiftKey, marks: false };
  }

  move(event) {
    const point = this.#point(event);
    const drag = this.#drag;
    this.hover = this.#pixel(point);
    if (drag?.scrolls) {
      this.#scroll([point[0] - drag.last[0], point[1] - drag.last[1]]);
      drag.last = point;
    } else if (drag) {
      drag.marks ||= Math.hypot(point[0] - drag.start[0], point[1] - drag.start[1]) > CLICK_PIXELS;
      if (drag.marks) this.region = this.#between(drag.start, point);
    }
  }

  release() {
    if (this.#drag && !this.#drag.marks && !this.#drag.scrolls) this.region = null;
    this.#drag = null;
  }

  cancel() {
    this.#drag = null;
  }

  leave() {
    if (!this.#drag) this.hover = null;
  }

  action(key) {
    const { surface } = this.#sizes();
    const middle = [surface.width / 2, surface.height / 2];
    if (key === "+" || key === "=") return () => this.#zoom(ZOOM, middle);
    if (key === "-") return () => this.#zoom(1 / ZOOM, middle);
    if (key === "0" || key === "Home") return () => this.reset();
    return Object.hasOwn(KEYS, key) ? () => this.#scroll(KEYS[key]) : null;
  }

  #zoom(factor, point) {
    const { picture, surface } = this.#sizes();
    this.#camera.zoomAt(factor, point, picture, surface);
  }

  #scroll(by) {
    const { picture, surface } = this.#sizes();
    this.#camera.scroll(by, picture, surface);
  }

  /** @returns {[number, number]} where the pointer is on the canvas */
  #point(event) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return [event.clientX - left - this.#canvas.clientLeft, event.clientY - top - this.#canvas.clientTop];
  }

  #pixel(point) {
    const { x, y } = this.#onPicture(point);
    const { width, height } = this.#sizes().picture;
    return x >= 0 && y >= 0 && x < width && y < height ? { x: Math.floor(x), y: Math.floor(y) } : null;
  }

  #onPicture([x, y]) {
    const { picture, surface } = this.#sizes();
    const { scale, left, top } = this.#camera.place(picture, surface);
    return { x: (x - left) / scale, y: (y - top) / scale };
  }

  /** The whole pixels between two points, within the picture. */
  #between(one, other) {
    const { width, height } = this.#sizes().picture;
    const [a, b] = [this.#onPicture(one), this.#onPicture(other)];
    const clip = (value, max) => Math.min(max, Math.max(0, value));
    const [left, right] = [clip(Math.floor(Math.min(a.x, b.x)), width - 1), clip(Math.ceil(Math.max(a.x, b.x)), width)];
    const [top, bottom] = [clip(Math.floor(Math.min(a.y, b.y)), height - 1), clip(Math.ceil(Math.max(a.y, b.y)), height)];
    return { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
  }
}
