/** Pending requests, by id. Each is settled exactly once, by a reply, an error, a timeout or a lost connection. */
import { PVError } from "./error.js";

/**
 * @typedef {{seconds: number, pvname?: string, action: string}} About
 * @typedef {{resolve: (message: import("./frames.js").Message) => void, reject: (error: PVError) => void, timer: unknown, about: About}} Pending
 */

export class Requests {
  /** @type {Map<unknown, Pending>} */
  #pending = new Map();
  #nextId = 1;
  #env;

  /** @param {import("./environment.js").Environment} env */
  constructor(env) {
    this.#env = env;
  }

  get size() {
    return this.#pending.size;
  }

  /**
   * @param {(id: number) => void} send puts the request on the wire
   * @param {About} about
   * @returns {Promise<import("./frames.js").Message>} the reply
   */
  open(send, about) {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const late = () => this.#take(id)?.reject(new PVError("timeout", `no reply in ${about.seconds} s`, about));
      const timer = this.#env.setTimeout(late, about.seconds * 1000);
      this.#pending.set(id, { resolve, reject, timer, about });
      send(id);
    });
  }

  /**
   * @param {import("./frames.js").Message} message
   * @returns {boolean} whether the message was a reply to one of these
   */
  settle(message) {
    const request = this.#take(message.id);
    if (!request) return false;
    if (message.msg_type === "error") request.reject(PVError.fromMessage(message));
    else request.resolve(message);
    return true;
  }

  /**
   * Rejects all: there will be no replies.
   * @param {import("./types.js").ErrorCode} code
   * @param {string} text
   */
  fail(code, text) {
    for (const id of [...this.#pending.keys()]) {
      const request = this.#take(id);
      request?.reject(new PVError(code, text, request.about));
    }
  }

  /** @param {unknown} id */
  #take(id) {
    const request = this.#pending.get(id);
    if (!request) return undefined;
    this.#pending.delete(id);
    this.#env.clearTimeout(request.timer);
    return request;
  }
}
