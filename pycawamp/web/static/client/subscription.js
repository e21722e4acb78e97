/** One PV as the gateway shows it, shared by all handles of that name. */
import { strongest } from "./options.js";

export class Subscription {
  /** @type {"searching" | "connected" | "disconnected" | "unreachable"} */
  state;
  /** The newest update, or null. */
  last = null;
  /** The newest metadata, or null. */
  metadata = null;
  /** Whether the gateway's last word was that it may not be had. */
  refused = false;
  #handles = new Set();

  constructor(name, state) {
    this.name = name;
    this.state = state;
  }

  get empty() {
    return this.#handles.size === 0;
  }

  /** What all handles together ask of the gateway, or null when there are none. */
  get options() {
    return this.empty ? null : strongest([...this.#handles].map((handle) => handle.options));
  }

  add(handle) {
    this.#handles.add(handle);
  }

  remove(handle) {
    this.#handles.delete(handle);
  }

  connection(state) {
    this.refused &&= state === "disconnected";
    if (state === this.state) return;
    this.#each((handle) => handle._flush());
    this.state = state;
    // It is of the connection before. Metadata, new or not, comes before the first value.
    if (state === "connected") this.last = null;
    this.#each((handle) => handle._connection(state));
  }

  update(update) {
    // Or it belongs to a subscription of before, which was taken back since.
    if (this.state !== "connected") return;
    this.last = update;
    this.#each((handle) => handle._update(update));
  }

  describe(metadata) {
    this.metadata = metadata;
    this.#each((handle) => handle._metadata(metadata));
  }

  fail(error) {
    // What it was told until then was for a subscription that was taken back; but a rate limit may
    // refuse a change to one that goes on.
    if (this.state === "connected" && error.code !== "rate_limited") this.connection("disconnected");
    this.refused = true;
    this.#each((handle) => handle._error(error));
  }

  closeAll() {
    this.#each((handle) => handle.close());
  }

  /** A handle thins for itself only when the gateway sends faster than it asked. */
  tune() {
    if (this.empty) return;
    const { maxRate } = this.options;
    for (const handle of this.#handles) handle._thin(handle.options.maxRate < maxRate);
  }

  /** Over a copy: a listener may close its own handle, or open others. */
  #each(visit) {
    for (const handle of [...this.#handles]) if (this.#handles.has(handle)) visit(handle);
  }
}
