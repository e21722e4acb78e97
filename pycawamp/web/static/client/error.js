/**
 * The error of a rejected request, and of `"error"` events.
 *
 * `code` is the gateway's (`forbidden`, `not_connected`, `timeout`, `bad_value` …) or one of the
 * client's own: `unreachable` (no connection to the gateway), `closed` (by this page),
 * `bad_frame` (the gateway sent an invalid message).
 */
export class PVError extends Error {
  /**
   * @param {import("./types.js").ErrorCode} code
   * @param {string} message
   * @param {{pvname?: string, action?: string}} [about]
   */
  constructor(code, message, about = {}) {
    super(message);
    this.name = "PVError";
    /**
     * @readonly
     * @type {import("./types.js").ErrorCode}
     */
    this.code = code;
    /** @readonly */
    this.pvname = about.pvname;
    /** @readonly */
    this.action = about.action;
  }

  /**
   * The error that an `error` message of the gateway describes.
   * @internal
   * @param {import("./frames.js").Message} message
   */
  static fromMessage(message) {
    const code = typeof message.code === "string" ? message.code : "internal";
    return new PVError(code, String(message.message ?? code), {
      pvname: message.pvname,
      action: message.action,
    });
  }
}
