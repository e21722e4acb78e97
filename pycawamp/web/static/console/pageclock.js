/** The clock of the page. It stops while the page is paused. */
export class PageClock {
  #frozen = null;
  #started = Date.now() / 1000;

  /** When the page was opened, in seconds since 1970. */
  get started() {
    return this.#started;
  }

  get paused() {
    return this.#frozen !== null;
  }

  /** The time to draw, in seconds since 1970. */
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
