/** The connections of a page's elements: one for each gateway, while any element uses it. */
import { PVClient } from "../pycaserver.js";

/** Milliseconds for which a connection is kept without elements: frameworks remove elements and add them again. */
const LINGER = 5000;

class Gateways {
  /** @type {Map<string, {client: PVClient, users: number}>} */
  #open = new Map();

  /** @param {string} url "": that of the page @returns {PVClient} */
  take(url) {
    const gateway = this.#open.get(url) ?? { client: new PVClient(url || undefined), users: 0 };
    this.#open.set(url, gateway);
    gateway.users += 1;
    return gateway.client;
  }

  /** @param {string} url as passed to `take` */
  leave(url) {
    const gateway = this.#open.get(url);
    if (!gateway) return;
    gateway.users -= 1;
    setTimeout(() => {
      if (gateway.users > 0 || this.#open.get(url) !== gateway) return;
      this.#open.delete(url);
      gateway.client.close();
    }, LINGER);
  }
}

export const gateways = new Gateways();
