/** What the page takes for now. Paused, time stands still for everything that is drawn. */
export class Moment {
  #frozen = null;
  #started = Date.now() / 1000;

  /** When the page began: before it there is nothing to draw. */
  get started() {
    return this.#started;
  }

  get paused() {
    return this.#frozen !== null;
  }

  /** Seconds since 1970. */
  now() {
    return this.#frozen ?? Date.now() / 1000;
  }

  pause() {
    this.#frozen ??= Date.now() / 1000;
  }

  resume() {
    this.#frozen = null;
  }
}
