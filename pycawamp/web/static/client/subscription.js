/** The subscription to a PV, shared by all handles with this name. */
import { strongest } from "./options.js";

export class Subscription {
  /** @type {import("./types.js").PVState} */
  state;
  /**
   * The newest update, or null.
   * @type {import("./types.js").Update | null}
   */
  last = null;
  /**
   * The newest metadata, or null.
   * @type {import("./types.js").Metadata | null}
   */
  metadata = null;
  /**
   * Why it is not connected, as sent by the gateway, or null.
   * @type {string | null}
   */
  reason = null;
  /** Whether the gateway has refused it. */
  refused = false;
  /** @type {Set<import("./pv.js").PV>} */
  #handles = new Set();

  /**
   * @param {string} name
   * @param {import("./types.js").PVState} state
   */
  constructor(name, state) {
    this.name = name;
    this.state = state;
  }

  get empty() {
    return this.#handles.size === 0;
  }

  /** The merged options of all handles, or null if there are none. */
  get options() {
    return this.empty ? null : strongest([...this.#handles].map((handle) => handle.options));
  }

  /** @param {import("./pv.js").PV} handle */
  add(handle) {
    this.#handles.add(handle);
  }

  /** @param {import("./pv.js").PV} handle */
  remove(handle) {
    this.#handles.delete(handle);
  }

  /**
   * @param {import("./types.js").PVState} state
   * @param {string | null} [reason]
   */
  connection(state, reason = null) {
    this.refused &&= state === "disconnected";
    if (state === this.state && reason === this.reason) return;
    this.reason = reason;
    this.#each((handle) => handle._flush());
    this.state = state;
    // It is of the previous connection. Metadata precedes the first value.
    if (state === "connected") this.last = null;
    this.#each((handle) => handle._connection(state));
  }

  /** @param {import("./types.js").Update} update */
  update(update) {
    // Otherwise it belongs to a previous subscription.
    if (this.state !== "connected") return;
    this.last = update;
    this.#each((handle) => handle._update(update));
  }

  /** @param {import("./types.js").Metadata} metadata */
  describe(metadata) {
    this.metadata = metadata;
    this.#each((handle) => handle._metadata(metadata));
  }

  /** @param {import("./types.js").History} history */
  past(history) {
    this.#each((handle) => handle._history(history));
  }

  /** @param {import("./error.js").PVError} error */
  fail(error) {
    // The state belongs to a subscription that was ended; but because of a rate limit, a change to one
    // that continues may be refused.
    if (this.state === "connected" && error.code !== "rate_limited") this.connection("disconnected", error.message);
    this.refused = true;
    this.#each((handle) => handle._error(error));
  }

  closeAll() {
    this.#each((handle) => handle.close());
  }

  /** A handle limits its own rate only if the gateway sends faster than it requested. */
  tune() {
    const { options } = this;
    if (options === null) return;
    const { maxRate } = options;
    for (const handle of this.#handles) handle._thin(handle.options.maxRate < maxRate);
  }

  /**
   * Iterates over a copy: a listener may close its own handle, or open others.
   * @param {(handle: import("./pv.js").PV) => void} visit
   */
  #each(visit) {
    for (const handle of [...this.#handles]) if (this.#handles.has(handle)) visit(handle);
  }
}
