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
