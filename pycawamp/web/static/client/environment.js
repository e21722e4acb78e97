/**
 * The parts of the environment that the client uses. Each can be replaced by an option, such as the
 * clock in tests, and WebSocket in Node.
 *
 * @typedef {Required<Pick<import("./types.js").ClientOptions, "WebSocket" | "setTimeout" | "clearTimeout" | "now" | "random">>} Environment
 * @param {import("./types.js").ClientOptions} [options]
 * @returns {Environment}
 */
export function environment(options = {}) {
  return {
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
    setTimeout: options.setTimeout ?? ((fn, ms) => globalThis.setTimeout(fn, ms)),
    clearTimeout: options.clearTimeout ?? ((timer) => globalThis.clearTimeout(timer)),
    now: options.now ?? (() => Date.now()),
    random: options.random ?? Math.random,
  };
}

/** The URL of the gateway that served this page: `/monitor`, encrypted if the page is. */
export function defaultUrl(location = globalThis.location) {
  if (!location?.host) throw new TypeError("the page has no host: pass the gateway's URL, new PVClient(url)");
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/monitor`;
}
