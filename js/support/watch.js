// Prints each value of a PV on a line: node watch.js ws://gateway:8888/monitor NAME
import { WebSocket } from "ws";
import { PVClient } from "../../pycawamp/web/static/pycaserver.js";

const [url, name] = process.argv.slice(2);
new PVClient(url, { WebSocket }).pv(name).on("value", (update) => console.log(`value ${update.value}`));
