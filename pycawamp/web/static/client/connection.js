/** A WebSocket connection that reconnects. */
import { Backoff } from "./backoff.js";
import { PVError } from "./error.js";

/** After a connection of this duration (ms), delays start with the shortest again. */
const STABLE = 5000;
/** For this time (ms) after a long silence, messages may have been buffered by the network. */
const KEPT = 5000;
/** Timeout of an attempt (ms); that of browsers is several minutes. */
const PATIENCE = 10000;
const OPEN = 1;
/** The close code of a gateway that stops. */
const GOING_AWAY = 1001;
/** The part of the first wait after that close code. */
const SOON = 0.3;

/**
 * The callbacks of a connection.
 *
 * @typedef {object} Reactions
 * @property {(event: import("./types.js").ClientEvents["open"]) => void} open
 * @property {(event: import("./types.js").ClientEvents["close"]) => void} close
 * @property {() => void} refused
 * @property {(event: import("./types.js").ClientEvents["reconnecting"]) => void} reconnecting
 * @property {(data: string | ArrayBuffer) => void} frame
 * @property {() => void} quiet
 */

export class Connection {
  /** @type {"connecting" | "open" | "waiting" | "closed"} */
  state = "connecting";
  /**
   * When the data became stale (ms since 1970); null while the connection is open.
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
  #receivedAt = 0;
  /**
   * When the first message after a long silence arrived, as on a computer that slept; null once others have followed.
   * @type {number | null}
   */
  #wokeAt = null;
  /**
   * When an unanswered ping was sent, or null.
   * @type {number | null}
   */
  #pingedAt = null;
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

  /** Connects now, without waiting for the next attempt. */
  start() {
    if (this.state === "open" || this.state === "closed" || this.#socket) return;
    this.#cancelTimers();
    this.state = "connecting";
    this.nextAttempt = null;
    const socket = new this.#env.WebSocket(this.#url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (/** @type {{data: string | ArrayBuffer}} */ event) => this.#received(event.data);
    socket.onclose = (/** @type {{code?: number, reason?: string}} */ event) => this.#lost(event);
    // The close event follows. Node's ws throws without a listener.
    socket.onerror = () => {};
    this.#socket = socket;
    this.#pulse = this.#env.setTimeout(() => this.#lost({ reason: "no answer" }), PATIENCE);
  }

  /**
   * @param {string} text
   * @returns {boolean} whether it was sent
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
    this.#openedAt = this.#receivedAt = this.#env.now();
    this.#wokeAt = null;
    this.#pingedAt = null;
    this.#watch();
    const reconnected = this.#everOpen;
    this.#everOpen = true;
    this.#on.open({ reconnected });
  }

  /** @param {string | ArrayBuffer} data */
  #received(data) {
    const now = this.#env.now();
    if (this.#wokeAt === null && this.#isSilent(now)) this.#wokeAt = now;
    if (this.#wokeAt === null || now - this.#wokeAt > KEPT) {
      this.#receivedAt = now;
      this.#wokeAt = null;
    }
    this.#pingedAt = null;
    this.#on.frame(data);
  }

  /**
   * Whether nothing was received for so long that the computer may have slept.
   * @param {number} now
   */
  #isSilent(now) {
    return this.#heartbeat > 0 && now - this.#receivedAt > 2 * this.#heartbeat;
  }

  #lost({ code = 1006, reason = "" } = {}, since = this.#isSilent(this.#env.now()) ? this.#receivedAt : this.#env.now()) {
    this.#drop();
    this.#cancelTimers();
    const wasOpen = this.state === "open";
    if (wasOpen && this.#env.now() - this.#openedAt >= STABLE) this.#backoff.reset();
    this.staleSince ??= wasOpen ? since : null;
    // A gateway that stops has its clients connect to another one, one after the other.
    const isSent = wasOpen && code === GOING_AWAY && this.#backoff.attempt === 0;
    const delay = this.#backoff.next() * (isSent ? SOON : 1);
    this.state = "waiting";
    this.nextAttempt = this.#env.now() + delay;
    this.#timer = this.#env.setTimeout(() => this.start(), delay);
    if (wasOpen) this.#on.close({ code, reason, staleSince: this.staleSince });
    else this.#on.refused();
    // A listener of "close" may have closed or restarted the connection.
    if (this.state !== "waiting") return;
    this.#on.reconnecting({
      attempt: this.#backoff.attempt,
      seconds: delay / 1000,
      at: this.nextAttempt,
      staleSince: this.staleSince,
    });
  }

  /**
   * Detects broken connections that are not closed. After a time without messages, a ping is sent; if it
   * is not answered, the connection counts as lost since the last message. Timers may be late, as in a page
   * in the background.
   */
  #watch() {
    if (!this.#heartbeat) return;
    this.#pulse = this.#env.setTimeout(() => {
      const now = this.#env.now();
      if (this.#pingedAt !== null && now - this.#pingedAt >= this.#heartbeat) {
        return this.#lost({ code: 1006, reason: "no answer" }, this.#receivedAt);
      }
      if (this.#pingedAt === null && now - this.#receivedAt >= this.#heartbeat) {
        this.#pingedAt = now;
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

  /** Throws the error of a request that cannot be sent. */
  assertUsable() {
    if (this.state === "closed") throw new PVError("closed", "the client is closed");
    if (this.state === "waiting") throw new PVError("unreachable", "no connection to the gateway");
  }
}
