/** Which part of a picture is shown, and where: zoom and scroll, by factors and pixels. */

const MAX_ZOOM = 64;

export class Camera {
  /** The zoom factor; at 1, the whole picture fits. */
  zoom = 1;
  /** The point of the picture that is shown in the middle, as fractions of its size. */
  #x = 0.5;
  #y = 0.5;

  reset() {
    this.zoom = 1;
    this.#x = this.#y = 0.5;
  }

  /** The position of the picture on a surface: its corner, and screen pixels per pixel. */
  place(frame, surface) {
    const scale = this.zoom * Math.min(surface.width / frame.width, surface.height / frame.height);
    return { scale, left: surface.width / 2 - this.#x * frame.width * scale, top: surface.height / 2 - this.#y * frame.height * scale };
  }

  /** @param {number} factor @param {[number, number]} point on the surface that does not move */
  zoomAt(factor, [x, y], frame, surface) {
    const before = this.place(frame, surface);
    const [column, row] = [(x - before.left) / before.scale, (y - before.top) / before.scale];
    this.zoom = Math.min(MAX_ZOOM, Math.max(1, this.zoom * factor));
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
