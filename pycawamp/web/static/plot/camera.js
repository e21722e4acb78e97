/** Which part of a picture is shown, and where: zoom and scroll, by factors and pixels. */

const MOST_ZOOM = 64;

export class Camera {
  /** Screen pixels per picture pixel, beyond what makes the whole fit. */
  zoom = 1;
  /** The picture's pixel in the middle, as parts of its size. */
  #x = 0.5;
  #y = 0.5;

  reset() {
    this.zoom = 1;
    this.#x = this.#y = 0.5;
  }

  /** Where the picture lies on a surface: its corner, and screen pixels per pixel. */
  place(frame, surface) {
    const scale = this.zoom * Math.min(surface.width / frame.width, surface.height / frame.height);
    return { scale, left: surface.width / 2 - this.#x * frame.width * scale, top: surface.height / 2 - this.#y * frame.height * scale };
  }

  /** @param {number} factor @param {[number, number]} point on the surface that stays where it is */
  zoomAt(factor, [x, y], frame, surface) {
    const before = this.place(frame, surface);
    const [column, row] = [(x - before.left) / before.scale, (y - before.top) / before.scale];
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    const { scale } = this.place(frame, surface);
    this.#x = (column + (surface.width / 2 - x) / scale) / frame.width;
    this.#y = (row + (surface.height / 2 - y) / scale) / frame.height;
    this.#keepInside();
  }

  /** @param {[number, number]} by on the surface */
  scroll([x, y], frame, surface) {
    const { scale } = this.place(frame, surface);
    this.#x -= x / scale / frame.width;
    this.#y -= y / scale / frame.height;
    this.#keepInside();
  }

  #keepInside() {
    const half = 0.5 / this.zoom;
    this.#x = Math.min(1 - half, Math.max(half, this.#x));
    this.#y = Math.min(1 - half, Math.max(half, this.#y));
  }
}
