/** The clock of the page. It stops while the page is paused. */
export class PageClock {
  /** Whether times are shown in UTC. */
  utc = false;
  /** Maximum range of charts in seconds, depending on the page, the gateway and the archiver. */
  reach = 600;
  /** Whether the gateway uses an archiver. */
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

  /** The time at the end of charts, in seconds since 1970. */
  now() {
    return this.#frozen ?? this.live();
  }

  /** The current time in seconds since 1970, even while the page is paused. */
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
