/** One WebSocket at a time, for ever: opens, watches, waits, opens again. Knows frames, not PVs. */
import { Backoff } from "./backoff.js";
import { PVError } from "./error.js";

/** A connection that lasted this long (ms) was a good one: the next wait starts small again. */
const STABLE = 5000;
/** An attempt that takes longer (ms) has failed: browsers themselves wait for minutes. */
const PATIENCE = 10000;
const OPEN = 1;
/** The close code of a gateway that stops. */
const GOING_AWAY = 1001;
/** The part of the first wait after that close code. */
const SOON = 0.3;

/**
 * What a link calls.
 *
 * @typedef {object} Reactions
 * @property {(event: import("./types.js").ClientEvents["open"]) => void} open
 * @property {(event: import("./types.js").ClientEvents["close"]) => void} close
 * @property {() => void} refused
 * @property {(event: import("./types.js").ClientEvents["reconnecting"]) => void} reconnecting
 * @property {(data: string | ArrayBuffer) => void} frame
 * @property {() => void} quiet
 */

export class Link {
  /** @type {"connecting" | "open" | "waiting" | "closed"} */
  state = "connecting";
  /**
   * When the data became stale (ms since 1970); null while the link is open.
   * @type {number | null}
   */
  staleSince = null;
  /**
   * When the next attempt is due (ms since 1970); null unless waiting.
   * @type {number | null}
   */
  nextAttempt = null;

  #url;
  #env;
  #on;
  #backoff;
  #heartbeat;
  /** @type {import("./types.js").Socket | null} */
  #socket = null;
  /** @type {unknown} */
  #timer = null;
  /** @type {unknown} */
  #pulse = null;
  #openedAt = 0;
  #heardAt = 0;
  /**
   * When a sign of life was asked for that has not come; or null.
   * @type {number | null}
   */
  #askedAt = null;
  #everOpen = false;

  /**
   * @param {string} url
   * @param {import("./environment.js").Environment} env
   * @param {Reactions} on
   * @param {{heartbeat: number, backoff?: object}} options heartbeat in seconds, 0 for none
   */
  constructor(url, env, on, { heartbeat, backoff }) {
    this.#url = url;
    this.#env = env;
    this.#on = on;
    this.#backoff = new Backoff({ random: env.random, ...backoff });
    this.#heartbeat = heartbeat * 1000;
  }

  get url() {
    return this.#url;
  }

  /** Opens now, also when a wait is under way. */
  start() {
    if (this.state === "open" || this.state === "closed" || this.#socket) return;
    this.#cancelTimers();
    this.state = "connecting";
    this.nextAttempt = null;
    const socket = new this.#env.WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (/** @type {{data: string | ArrayBuffer}} */ event) => this.#heard(event.data);
    socket.onclose = (/** @type {{code?: number, reason?: string}} */ event) => this.#lost(event);
    // Browsers tell nothing here that the close after it does not; Node's ws throws without it.
    socket.onerror = () => {};
    this.#socket = socket;
    this.#pulse = this.#env.setTimeout(() => this.#lost({ reason: "no answer" }), PATIENCE);
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it went out
   */
  send(text) {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  close() {
    if (this.state === "closed") return;
    this.state = "closed";
    this.nextAttempt = null;
    this.#cancelTimers();
    this.#drop();
  }

  #opened() {
    this.#cancelTimers();
    this.state = "open";
    this.staleSince = null;
    this.#openedAt = this.#heardAt = this.#env.now();
    this.#askedAt = null;
    this.#watch();
    const reconnected = this.#everOpen;
    this.#everOpen = true;
    this.#on.open({ reconnected });
  }

  /** @param {string | ArrayBuffer} data */
  #heard(data) {
    this.#heardAt = this.#env.now();
    this.#askedAt = null;
    this.#on.frame(data);
  }

  #lost({ code = 1006, reason = "" } = {}, since = this.#env.now()) {
    this.#drop();
    this.#cancelTimers();
    const wasOpen = this.state === "open";
    if (wasOpen && this.#env.now() - this.#openedAt >= STABLE) this.#backoff.reset();
    this.staleSince ??= wasOpen ? since : null;
    // A gateway that says it goes away sends its clients to another, one after the other.
    const isSent = wasOpen && code === GOING_AWAY && this.#backoff.attempt === 0;
    const delay = this.#backoff.next() * (isSent ? SOON : 1);
    this.state = "waiting";
    this.nextAttempt = this.#env.now() + delay;
    this.#timer = this.#env.setTimeout(() => this.start(), delay);
    if (wasOpen) this.#on.close({ code, reason, staleSince: this.staleSince });
    else this.#on.refused();
    // A listener of "close" may have closed this link, or asked to reconnect at once.
    if (this.state !== "waiting") return;
    this.#on.reconnecting({
      attempt: this.#backoff.attempt,
      seconds: delay / 1000,
      at: this.nextAttempt,
      staleSince: this.staleSince,
    });
  }

  /**
   * A pulled cable closes nothing. After a silence the gateway is asked for a sign of life, and
   * if none comes, the link counts as lost since the last frame. Being late proves nothing: a page
   * in the background has its timers once a minute.
   */
  #watch() {
    if (!this.#heartbeat) return;
    this.#pulse = this.#env.setTimeout(() => {
      const now = this.#env.now();
      if (this.#askedAt !== null && now - this.#askedAt >= this.#heartbeat) {
        return this.#lost({ code: 1006, reason: "no sign of life" }, this.#heardAt);
      }
      if (this.#askedAt === null && now - this.#heardAt >= this.#heartbeat) {
        this.#askedAt = now;
        this.#on.quiet();
      }
      this.#watch();
    }, this.#heartbeat);
  }

  #cancelTimers() {
    this.#env.clearTimeout(this.#timer);
    this.#env.clearTimeout(this.#pulse);
    this.#timer = this.#pulse = null;
  }

  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** Throws what a request is to be rejected with when it cannot be sent. */
  assertUsable() {
    if (this.state === "closed") throw new PVError("closed", "this client was closed");
    if (this.state === "waiting") throw new PVError("unreachable", "no connection to the gateway");
  }
}
