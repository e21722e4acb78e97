/**
 * Events by name. An exception of a listener is reported, and does not affect the others.
 * @template {object} Events the payloads, by event
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<{listener: (payload: any) => void}>>} */
  #listeners = new Map();
  #events;

  /** @param {(keyof Events & string)[]} events the valid names; others are programming errors */
  constructor(events) {
    this.#events = events;
  }

  /**
   * @template {keyof Events & string} E
   * @param {E} event
   * @param {(payload: Events[E]) => void} listener
   * @returns {() => void} call it to unsubscribe
   */
  on(event, listener) {
    if (!this.#events.includes(event)) {
      throw new TypeError(`no event "${event}": use one of ${this.#events.join(", ")}`);
    }
    if (typeof listener !== "function") throw new TypeError("expected a function as listener");
    // A new object per call: the same function may be added twice and removed once.
    const entry = { listener };
    const entries = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, entries.add(entry));
    return () => {
      entries.delete(entry);
    };
  }

  /**
   * @template {keyof Events & string} E
   * @param {E} event
   * @param {Events[E]} payload
   */
  emit(event, payload) {
    const entries = this.#listeners.get(event);
    if (!entries) return;
    for (const entry of entries) {
      try {
        entry.listener(payload);
      } catch (error) {
        report(error);
      }
    }
  }

  clear() {
    this.#listeners.clear();
  }
}

/** @param {unknown} error */
function report(error) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(error);
  else console.error(error);
}
