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
  #wanted = new Map();
  /** @type {Map<string, string | undefined>} */
  #sent = new Map();
  /**
   * Seconds of history that were asked for.
   * @type {Map<string, number>}
   */
  #given = new Map();
  /** @type {Set<string>} */
  #dirty = new Set();

  /**
   * @param {string} name
   * @param {import("./options.js").CheckedOptions | null} options merged options of a PV, or null for none
   */
  want(name, options) {
    if (options) this.#wanted.set(name, onWire(options));
    else this.#wanted.delete(name);
    this.#dirty.add(name);
  }

  /**
   * Requests a PV again.
   * @param {string} name
   */
  renew(name) {
    this.#sent.delete(name);
    this.#given.delete(name);
  }

  /** Requests all PVs again, on a new connection. */
  forget() {
    this.#sent.clear();
    this.#given.clear();
    this.#dirty = new Set(this.#wanted.keys());
  }

  /** @returns {object[]} the requests for all changes */
  requests() {
    /** @type {string[]} */
    const gone = [];
    /** @type {Map<string, string[]>} */
    const groups = new Map();
    for (const name of this.#dirty) {
      const { history = 0, points, ...options } = this.#wanted.get(name) ?? {};
      const key = this.#wanted.has(name) ? JSON.stringify(options) : undefined;
      // Once: another change of options does not bring it again.
      const isDue = history > (this.#given.get(name) ?? 0);
      if (key === this.#sent.get(name) && !isDue) continue;
      this.#sent.delete(name);
      this.#given.delete(name);
      if (key === undefined) gone.push(name);
      else {
        const group = isDue ? JSON.stringify({ ...options, history, points }) : key;
        if (groups.has(group)) groups.get(group)?.push(name);
        else groups.set(group, [name]);
        this.#sent.set(name, key);
        this.#given.set(name, history);
      }
    }
    this.#dirty.clear();
    const joined = [...groups].flatMap(([key, names]) => inChunks({ action: "connect" }, names, JSON.parse(key)));
    return [...inChunks({ action: "disconnect" }, gone), ...joined];
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
