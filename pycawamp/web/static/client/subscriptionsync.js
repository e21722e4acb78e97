/**
 * Synchronizes the subscriptions at the gateway with the requested ones. Changes are collected and
 * sent together, as a page may open or close many handles at once.
 */
import { onWire } from "./options.js";

/** Maximum bytes of one request, well below the limit of a gateway. */
export const CHUNK_BYTES = 16384;

const utf8 = new TextEncoder();

export class SubscriptionSync {
  /** @type {Map<string, import("./options.js").WireOptions>} */
  #requested = new Map();
  /** @type {Map<string, string | undefined>} */
  #sent = new Map();
  /**
   * Seconds of history that were requested.
   * @type {Map<string, number>}
   */
  #history = new Map();
  /** @type {Set<string>} */
  #dirty = new Set();

  /**
   * @param {string} name
   * @param {import("./options.js").CheckedOptions | null} options merged options of a PV, or null for none
   */
  request(name, options) {
    if (options) this.#requested.set(name, onWire(options));
    else this.#requested.delete(name);
    this.#dirty.add(name);
  }

  /**
   * Requests a PV again.
   * @param {string} name
   */
  renew(name) {
    this.#sent.delete(name);
    this.#history.delete(name);
  }

  /** Requests all PVs again, on a new connection. */
  forget() {
    this.#sent.clear();
    this.#history.clear();
    this.#dirty = new Set(this.#requested.keys());
  }

  /** @returns {object[]} the requests for all changes */
  requests() {
    /** @type {string[]} */
    const closed = [];
    /** @type {Map<string, string[]>} */
    const groups = new Map();
    for (const name of this.#dirty) {
      const { history = 0, points, ...options } = this.#requested.get(name) ?? {};
      const key = this.#requested.has(name) ? JSON.stringify(options) : undefined;
      // Once: a later change of options does not request it again.
      const isDue = history > (this.#history.get(name) ?? 0);
      if (key === this.#sent.get(name) && !isDue) continue;
      this.#sent.delete(name);
      this.#history.delete(name);
      if (key === undefined) closed.push(name);
      else {
        const group = isDue ? JSON.stringify({ ...options, history, points }) : key;
        if (groups.has(group)) groups.get(group)?.push(name);
        else groups.set(group, [name]);
        this.#sent.set(name, key);
        this.#history.set(name, history);
      }
    }
    this.#dirty.clear();
    const joined = [...groups].flatMap(([key, names]) => inChunks({ action: "connect" }, names, JSON.parse(key)));
    return [...inChunks({ action: "disconnect" }, closed), ...joined];
  }
}

/**
 * @param {{action: string}} head
 * @param {string[]} names
 * @param {import("./options.js").WireOptions} [options]
 * @returns {object[]}
 */
function inChunks(head, names, options = {}) {
  // A single name is sent as in version 1, which all gateways understand.
  if (names.length === 1) return [{ ...head, pv: names[0], ...options }];
  const room = CHUNK_BYTES - sizeOf({ ...head, pvs: [], ...options });
  /** @type {{pvs: string[]}[]} */
  const chunks = [];
  let left = 0;
  for (const name of names) {
    const size = sizeOf(name) + 1;
    if (chunks.length === 0 || size > left) {
      chunks.push({ ...head, pvs: [], ...options });
      left = room;
    }
    chunks[chunks.length - 1].pvs.push(name);
    left -= size;
  }
  return chunks;
}

/** @param {unknown} value */
function sizeOf(value) {
  return utf8.encode(JSON.stringify(value)).length;
}
