/**
 * pycaserver's client library: live EPICS process variables in JavaScript.
 *
 *     import { PVClient } from "/static/pycaserver.js";
 *     const gw = new PVClient();
 *     gw.pv("demo:sine").on("value", (u) => console.log(u.value, u.units));
 *
 * An ES module without dependencies, for browsers and Node. See docs/javascript.md.
 *
 * @module pycaserver
 */
export { PVClient } from "./client/client.js";
export { PV } from "./client/pv.js";
export { PVError } from "./client/error.js";

/**
 * @typedef {import("./client/types.js").ClientEvents} ClientEvents
 * @typedef {import("./client/types.js").ClientOptions} ClientOptions
 * @typedef {import("./client/types.js").Connection} Connection
 * @typedef {import("./client/types.js").ErrorCode} ErrorCode
 * @typedef {import("./client/types.js").Limits} Limits
 * @typedef {import("./client/types.js").Metadata} Metadata
 * @typedef {import("./client/types.js").PVEvents} PVEvents
 * @typedef {import("./client/types.js").PVOptions} PVOptions
 * @typedef {import("./client/types.js").PVState} PVState
 * @typedef {import("./client/types.js").Severity} Severity
 * @typedef {import("./client/types.js").TypedArray} TypedArray
 * @typedef {import("./client/types.js").Unsubscribe} Unsubscribe
 * @typedef {import("./client/types.js").Update} Update
 * @typedef {import("./client/types.js").Value} Value
 */
