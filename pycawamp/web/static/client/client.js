/** A connection to a gateway: handles of PVs, requests, and the state of the connection. */
import { Emitter } from "./emitter.js";
import { defaultUrl, environment } from "./environment.js";
import { PVError } from "./error.js";
import { historyOf, messagesOf, updateOf } from "./frames.js";
import { SubscriptionSync } from "./subscriptionsync.js";
import { Connection } from "./connection.js";
import { jsonOf } from "./json.js";
import { checked, onWire } from "./options.js";
import { PV } from "./pv.js";
import { Requests } from "./requests.js";
import { Subscription } from "./subscription.js";

/** @type {(keyof import("./types.js").ClientEvents)[]} */
const EVENTS = ["open", "close", "reconnecting", "error"];
const DEFAULTS = { batch: true, heartbeat: 15, timeout: 10 };
/** Seconds by which the client waits longer than the gateway, whose error is more specific. */
const GRACE = 2;
/** Seconds; longer, since the gateway may have to query an archiver. */
const HISTORY_TIMEOUT = 30;

/**
 * @typedef {import("./types.js").ClientOptions} ClientOptions
 * @typedef {import("./frames.js").Message} Message
 */

export class PVClient {
  /** @internal */ _env;
  #options;
  #connection;
  /** @type {Emitter<import("./types.js").ClientEvents>} */
  #events = new Emitter(EVENTS);
  /** @type {Map<string, Subscription>} */
  #subscriptions = new Map();
  /** @type {Subscription[]} */
  #unused = [];
  #sync = new SubscriptionSync();
  #requests;
  /** @type {string[]} */
  #unsent = [];
  #flushing = false;

  /**
   * Connects immediately, and again whenever the connection is lost, until `close`.
   *
   * @param {string | URL | ClientOptions} [url] `ws://host:8888/monitor`; optional in pages that the gateway serves
   * @param {ClientOptions} [options]
   */
  constructor(url, options) {
    if (typeof url === "object" && !(url instanceof URL)) [url, options] = [undefined, url];
    this.#options = { ...DEFAULTS, ...options };
    this._env = environment(this.#options);
    this.#requests = new Requests(this._env);
    this.#connection = new Connection(String(url ?? defaultUrl()), this._env, this.#reactions(), this.#options);
    this.#connection.start();
  }

  get url() {
    return this.#connection.url;
  }

  /** `"connecting"`, `"open"`, `"waiting"` (for the next attempt) or `"closed"`. */
  get state() {
    return this.#connection.state;
  }

  /** When the data became stale (ms since 1970), or null. */
  get staleSince() {
    return this.#connection.staleSince;
  }

  /** When the next attempt to reconnect is due (ms since 1970), or null. */
  get nextAttempt() {
    return this.#connection.nextAttempt;
  }

  /**
   * `"open"` gets `{reconnected}`, `"close"` `{code, reason, staleSince}`, `"reconnecting"`
   * `{attempt, seconds, at, staleSince}`, `"error"` a PVError that is not about a single PV.
   *
   * @template {keyof import("./types.js").ClientEvents} E
   * @param {E} event
   * @param {(payload: import("./types.js").ClientEvents[E]) => void} listener
   * @returns {import("./types.js").Unsubscribe} call it to unsubscribe
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /**
   * Returns a handle of a PV. Handles with the same name share one subscription.
   * @param {string} name
   * @param {import("./types.js").PVOptions} [options]
   */
  pv(name, options) {
    if (typeof name !== "string" || name === "") throw new TypeError("a PV name must be a string");
    if (this.state === "closed") throw new PVError("closed", "the client is closed");
    const known = this.#subscriptions.get(name);
    const subscription = known ?? new Subscription(name, this.state === "waiting" ? "unreachable" : "searching");
    const handle = new PV(this, subscription, options);
    subscription.add(handle);
    this.#subscriptions.set(name, subscription);
    // It may be allowed now.
    if (subscription.refused) this.#sync.renew(name);
    this._changed(subscription);
    return handle;
  }

  /**
   * Requests the names that this connection is subscribed to at the gateway.
   * @returns {Promise<string[]>}
   */
  async list() {
    return (await this.#request("list")).pvs;
  }

  /** Measures the round-trip time to the gateway in milliseconds. */
  async ping() {
    const start = this._env.now();
    await this.#request("ping");
    return this._env.now() - start;
  }

  /** Reconnects now, without waiting for the next attempt. */
  reconnect() {
    this.#connection.start();
  }

  /** Closes the connection and all handles permanently. */
  close() {
    if (this.state === "closed") return;
    this.#connection.close();
    this.#unsent.length = 0;
    this.#requests.fail("closed", "the client is closed");
    for (const subscription of [...this.#subscriptions.values()]) subscription.closeAll();
    this.#events.clear();
  }

  /**
   * @internal
   * @param {Subscription} subscription
   */
  _changed(subscription) {
    if (this.state === "closed") return;
    this.#sync.request(subscription.name, subscription.options);
    subscription.tune();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  /**
   * @internal
   * @param {PV} handle
   * @param {Subscription} subscription
   */
  _release(handle, subscription) {
    subscription.remove(handle);
    if (subscription.empty) this.#unused.push(subscription);
    this._changed(subscription);
  }

  /**
   * @internal
   * @param {string} pvname
   * @param {import("./types.js").PVOptions} options
   * @param {{timeout?: number}} [request]
   */
  async _get(pvname, options, { timeout } = {}) {
    return updateOf(await this.#request("get", { pv: pvname, ...onWire(checked({ ...options, maxRate: Infinity, history: 0 })) }, timeout));
  }

  /**
   * @internal
   * @param {string} pvname
   * @param {{timeout?: number}} [request]
   */
  async _info(pvname, { timeout } = {}) {
    return metadataOf(await this.#request("info", { pv: pvname }, timeout));
  }

  /**
   * @internal
   * @param {string} pvname
   * @param {{from: number, to?: number, points?: number, timeout?: number}} range
   */
  async _history(pvname, { from, to, points, timeout = HISTORY_TIMEOUT }) {
    return historyOf(await this.#request("history", { pv: pvname, from, to, points }, timeout));
  }

  /**
   * @internal
   * @param {string} pvname
   * @param {import("./types.js").Value | bigint} value
   * @param {{wait?: boolean, timeout?: number}} [request]
   */
  async _put(pvname, value, { wait = true, timeout = this.#options.timeout } = {}) {
    await this.#request("put", { pv: pvname, value, wait, timeout }, timeout);
  }

  /** @returns {import("./connection.js").Reactions} */
  #reactions() {
    return {
      open: (event) => this.#opened(event),
      close: (event) => this.#closed(event),
      refused: () => this.#unreachable("the gateway is unreachable"),
      reconnecting: (event) => this.#events.emit("reconnecting", event),
      frame: (data) => this.#received(data),
      quiet: () => this.ping().catch(() => {}),
    };
  }

  /** @param {import("./types.js").ClientEvents["open"]} event */
  #opened(event) {
    // A gateway without `configure` sends single messages, which are handled as well.
    if (this.#options.batch) this.#request("configure", { batch: true, reason: true }).catch(() => {});
    this.#sync.forget();
    for (const subscription of this.#subscriptions.values()) subscription.connection("searching");
    this.#flush();
    for (const text of this.#unsent.splice(0)) this.#connection.send(text);
    this.#events.emit("open", event);
  }

  /** @param {import("./types.js").ClientEvents["close"]} event */
  #closed(event) {
    this.#unreachable("the connection to the gateway was lost");
    this.#events.emit("close", event);
  }

  /** @param {string} text */
  #unreachable(text) {
    this.#unsent.length = 0;
    this.#requests.fail("unreachable", text);
    for (const subscription of [...this.#subscriptions.values()]) subscription.connection("unreachable");
  }

  #flush() {
    this.#flushing = false;
    // Not earlier: a handle that is opened within the same task reuses the subscription.
    for (const subscription of this.#unused.splice(0)) if (subscription.empty) this.#subscriptions.delete(subscription.name);
    if (this.state !== "open") return;
    for (const request of this.#sync.requests()) this.#connection.send(JSON.stringify(request));
  }

  /**
   * @param {string} action
   * @param {Message} [keys]
   * @param {number} [seconds]
   */
  async #request(action, keys = {}, seconds = this.#options.timeout) {
    this.#connection.assertUsable();
    const about = { action, pvname: keys.pv, seconds: seconds + GRACE };
    return this.#requests.open((id) => this.#sendOrHold({ action, ...keys, id }), about);
  }

  /**
   * Requests wait for the first connection.
   * @param {object} request
   */
  #sendOrHold(request) {
    const text = jsonOf(request);
    if (!this.#connection.send(text)) this.#unsent.push(text);
  }

  /** @param {string | ArrayBuffer} data */
  #received(data) {
    let messages;
    try {
      messages = messagesOf(data);
    } catch (error) {
      return this.#unreadable(error);
    }
    for (const message of messages) {
      // A listener may have closed the client while a batch is processed.
      if (this.state === "closed") return;
      try {
        this.#dispatch(message);
      } catch (error) {
        this.#unreadable(error);
      }
    }
  }

  /** @param {any} error */
  #unreadable(error) {
    this.#events.emit("error", new PVError("bad_frame", `invalid message from the gateway: ${error.message}`));
  }

  /** @param {Message} message */
  #dispatch(message) {
    if (message.id !== undefined && this.#requests.settle(message)) return;
    const subscription = this.#subscriptions.get(message.pvname);
    if (message.msg_type === "error") return this.#failed(message, subscription);
    if (!subscription) return;
    if (message.msg_type === "monitor") subscription.update(updateOf(message));
    else if (message.msg_type === "connection") subscription.connection(message.conn ? "connected" : "disconnected", message.reason);
    else if (message.msg_type === "metadata") subscription.describe(metadataOf(message));
    else if (message.msg_type === "history") subscription.past(historyOf(message));
  }

  /**
   * @param {Message} message
   * @param {Subscription | undefined} subscription
   */
  #failed(message, subscription) {
    // A late reply to a request that has timed out: the caller has already received an error.
    if (message.id !== undefined) return;
    const error = PVError.fromMessage(message);
    const isItsOwn = subscription && (message.action ?? "connect") === "connect";
    if (!isItsOwn) return this.#events.emit("error", error);
    subscription.fail(error);
  }
}

/**
 * @param {Message} message
 * @returns {import("./types.js").Metadata}
 */
function metadataOf({ msg_type: _type, id: _id, ...metadata }) {
  return /** @type {import("./types.js").Metadata} */ (metadata);
}
