/** A handle of a PV. Created by `PVClient.pv`; several handles may share one subscription. */
import { Emitter } from "./emitter.js";
import { PVError } from "./error.js";
import { checked } from "./options.js";
import { Stream } from "./stream.js";
import { Throttle } from "./throttle.js";

/** @type {(keyof import("./types.js").PVEvents)[]} */
const EVENTS = ["value", "connection", "metadata", "history", "error"];
/** Types of 64-bit integers, which are sent as digits if a handle requests that. */
const LONG = ["int64", "uint64"];

export class PV {
  #client;
  #subscription;
  #options;
  /** @type {Emitter<import("./types.js").PVEvents>} */
  #events = new Emitter(EVENTS);
  /** @type {Set<Stream<import("./types.js").Update>>} */
  #streams = new Set();
  /** @type {{of: import("./types.js").Update, update: import("./types.js").Update} | null} */
  #copied = null;
  /** @type {Throttle<import("./types.js").Update>} */
  #throttle;
  #closed = false;
  /** Whether the subscription has a state that this handle has not received. */
  #isBehind;

  /**
   * Use `client.pv(name, options)`.
   * @internal
   * @param {import("./client.js").PVClient} client
   * @param {import("./subscription.js").Subscription} subscription
   * @param {import("./types.js").PVOptions} [options]
   */
  constructor(client, subscription, options) {
    this.#client = client;
    this.#subscription = subscription;
    this.#options = checked(options);
    this.#throttle = new Throttle((update) => this.#deliver(update), client._env);
    this.#isBehind = subscription.state !== "searching";
    if (this.#isBehind) queueMicrotask(() => this.#catchUp() && this.#repeatLast());
  }

  /** The PV's name, as requested. */
  get name() {
    return this.#subscription.name;
  }

  /** The options in force for this handle. */
  get options() {
    return this.#options;
  }

  /** `"searching"`, `"connected"`, `"disconnected"` or, without a connection to the gateway, `"unreachable"`. */
  get state() {
    return this.#subscription.state;
  }

  /** Why it is not connected, as text; null if it is, or if the reason is unknown. */
  get reason() {
    return this.#subscription.reason;
  }

  get connected() {
    return this.state === "connected";
  }

  /**
   * The newest update, or null. It is shared: do not change it.
   * @returns {import("./types.js").Update | null}
   */
  get last() {
    const { last } = this.#subscription;
    return last && this.#mine(last);
  }

  /** The newest metadata, or null (request it by `{metadata: true}`). */
  get metadata() {
    return this.#subscription.metadata;
  }

  get closed() {
    return this.#closed;
  }

  /**
   * `"value"` gets each update, `"connection"` `{pvname, state, connected, reason}`, `"metadata"`
   * the metadata, `"history"` the samples before the first value, `"error"` a PVError.
   *
   * @template {keyof import("./types.js").PVEvents} E
   * @param {E} event
   * @param {(payload: import("./types.js").PVEvents[E]) => void} listener
   * @returns {import("./types.js").Unsubscribe} call it to unsubscribe
   */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  /**
   * Changes the given options of this handle.
   * @param {import("./types.js").PVOptions} options
   */
  setOptions(options) {
    this.#assertOpen();
    this.#options = checked({ ...this.#options, ...options });
    this.#client._changed(this.#subscription);
  }

  /**
   * Reads the current value, regardless of `maxRate`.
   * @param {{timeout?: number}} [options] seconds
   * @returns {Promise<import("./types.js").Update>}
   */
  async get(options) {
    this.#assertOpen();
    return this.#client._get(this.name, this.#options, options);
  }

  /**
   * Writes a value. Resolves when the record has processed, or with `wait: false` when the put was sent.
   * @param {import("./types.js").Value | bigint} value a BigInt, and elements of a BigInt64Array, with all digits
   * @param {{wait?: boolean, timeout?: number}} [options] timeout in seconds
   * @returns {Promise<void>}
   */
  async put(value, options) {
    this.#assertOpen();
    return this.#client._put(this.name, value, options);
  }

  /**
   * Reads the metadata, with or without the option `metadata`.
   * @param {{timeout?: number}} [options] seconds
   * @returns {Promise<import("./types.js").Metadata>}
   */
  async info(options) {
    this.#assertOpen();
    return this.#client._info(this.name, options);
  }

  /**
   * Reads the history: what the gateway keeps, and what its archiver has.
   * @param {{from: number, to?: number, points?: number, timeout?: number}} range from and to: seconds since 1970; points: maximum number
   *   of samples (if there are more, the lowest and highest of each interval are kept); timeout in seconds
   * @returns {Promise<import("./types.js").History>}
   */
  async history(range) {
    this.#assertOpen();
    return this.#client._history(this.name, range);
  }

  /**
   * Returns updates as an async iterator, from the current one on; it ends when the handle is closed.
   * @param {{buffer?: number}} [options] maximum number of updates that are kept for a slow reader; older ones are dropped
   * @returns {AsyncIterableIterator<import("./types.js").Update>}
   */
  updates({ buffer = 1 } = {}) {
    /** @type {Stream<import("./types.js").Update>} */
    const stream = new Stream({ size: buffer, onEnd: () => this.#streams.delete(stream) });
    this.#streams.add(stream);
    if (this.#closed) stream.end();
    else if (this.last && this.connected) stream.push(this.last);
    return stream;
  }

  [Symbol.asyncIterator]() {
    return this.updates();
  }

  /** Closes the handle. The last handle of a PV ends the subscription. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#throttle.stop();
    for (const stream of this.#streams) stream.end();
    this.#events.clear();
    this.#client._release(this, this.#subscription);
  }

  /** @internal */
  _flush() {
    this.#throttle.flush();
  }

  /**
   * @internal
   * @param {import("./types.js").PVState} state
   */
  _connection(state) {
    if (this.#catchUp()) return;
    this.#emitConnection(state);
  }

  /**
   * @internal
   * @param {import("./types.js").Update} update
   */
  _update(update) {
    this.#catchUp();
    if (!this.#closed) this.#throttle.push(update);
  }

  /**
   * @internal
   * @param {import("./types.js").Metadata} metadata
   */
  _metadata(metadata) {
    if (this.#catchUp()) return;
    this.#events.emit("metadata", metadata);
  }

  /**
   * @internal
   * @param {import("./types.js").History} history
   */
  _history(history) {
    if (this.#options.history > 0 && !this.#closed) this.#events.emit("history", history);
  }

  /**
   * @internal
   * @param {PVError} error
   */
  _error(error) {
    this.#catchUp();
    this.#events.emit("error", error);
    for (const stream of this.#streams) stream.fail(error);
  }

  /**
   * @internal
   * @param {boolean} needed
   */
  _thin(needed) {
    this.#throttle.rate = needed ? this.#options.maxRate : Infinity;
  }

  /** Emits the current state for a handle that has joined an existing subscription; returns false if that was done. */
  #catchUp() {
    if (!this.#isBehind || this.#closed) return false;
    this.#isBehind = false;
    this.#emitConnection(this.state);
    if (this.metadata) this.#events.emit("metadata", this.metadata);
    return true;
  }

  /** @param {import("./types.js").PVState} state */
  #emitConnection(state) {
    const { name: pvname, reason } = this;
    this.#events.emit("connection", { pvname, state, connected: state === "connected", ...(reason !== null && { reason }) });
  }

  #repeatLast() {
    // Streams have begun with it.
    if (this.last && this.connected) this.#events.emit("value", this.last);
  }

  /** @param {import("./types.js").Update} update */
  #deliver(update) {
    const mine = this.#mine(update);
    this.#events.emit("value", mine);
    for (const stream of this.#streams) stream.push(mine);
  }

  /**
   * Converts an update to the form that this handle requested: plain or typed arrays, numbers or digits.
   * @param {import("./types.js").Update} update
   */
  #mine(update) {
    if (this.#copied?.of !== update) {
      const value = this.#own(update.value);
      this.#copied = { of: update, update: value === update.value ? update : { ...update, value } };
    }
    return this.#copied.update;
  }

  /** @param {import("./types.js").Value} value */
  #own(value) {
    const { arrays, int64 } = this.#options;
    const isLong = LONG.includes(this.metadata?.type ?? "");
    if (ArrayBuffer.isView(value)) return arrays === "json" ? plainOf(value, int64) : value;
    if (int64 === "string" || !isLong) return value;
    if (Array.isArray(value)) return value.map(Number);
    return typeof value === "string" ? Number(value) : value;
  }

  #assertOpen() {
    if (this.#closed) throw new PVError("closed", "the handle is closed", { pvname: this.name });
  }
}

/**
 * @param {ArrayBufferView} list
 * @param {"number" | "string"} int64 the form of 64-bit integers
 * @returns {number[] | string[]}
 */
function plainOf(list, int64) {
  const elements = /** @type {Iterable<any>} */ (/** @type {unknown} */ (list));
  const isLong = list instanceof BigInt64Array || list instanceof BigUint64Array;
  if (!isLong) return Array.from(elements);
  return int64 === "string" ? Array.from(elements, String) : Array.from(elements, Number);
}
