/** Requests that wait for a reply, by id. Each settles exactly once: reply, error, time-out or loss. */
import { PVError } from "./error.js";

export class Requests {
  #pending = new Map();
  #nextId = 1;
  #env;

  constructor(env) {
    this.#env = env;
  }

  get size() {
    return this.#pending.size;
  }

  /**
   * @param {(id: number) => void} send puts the request on the wire
   * @param {{seconds: number, pvname?: string, action: string}} about
   * @returns {Promise<object>} the reply
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

  /** @returns {boolean} whether the message was a reply to one of these */
  settle(message) {
    const request = this.#take(message.id);
    if (!request) return false;
    if (message.msg_type === "error") request.reject(PVError.fromMessage(message));
    else request.resolve(message);
    return true;
  }

  /** Rejects all: their replies can no longer come. */
  fail(code, text) {
    for (const id of [...this.#pending.keys()]) {
      const request = this.#take(id);
      request.reject(new PVError(code, text, request.about));
    }
  }

  #take(id) {
    const request = this.#pending.get(id);
    if (!request) return undefined;
    this.#pending.delete(id);
    this.#env.clearTimeout(request.timer);
    return request;
  }
}
