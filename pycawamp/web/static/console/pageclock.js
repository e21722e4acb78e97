/** The clock of the page. It stops while the page is paused. */
export class PageClock {
  /** Whether times are shown in UTC. */
  utc = false;
  /** Seconds back from now that charts may show: what this page keeps, the gateway, or an archiver. */
  reach = 600;
  /** Whether the gateway asks an archiver. */
  archived = false;
  #clock;
  /** @type {number | null} */
  #frozen = null;

  /** @param {{now: () => number}} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  get paused() {
    return this.#frozen !== null;
  }

  /** Seconds since 1970: what is drawn as now. */
  now() {
    return this.#frozen ?? this.live();
  }

  /** Seconds since 1970, paused or not. */
  live() {
    return this.#clock.now();
  }

  pause() {
    this.#frozen ??= this.live();
  }

  resume() {
    this.#frozen = null;
  }
}
