/**
 * Live PVs for people who write HTML:
 *
 *     <script type="module" src="/static/pycaserver-html.js"></script>
 *     <span data-pv="demo:sine" data-format="%.2f" data-units></span>
 *
 * A page of another server specifies its gateway:
 * `<meta name="pycaserver" content="ws://gateway:8888/monitor">`.
 *
 * @module pycaserver/html
 */
import { PVClient } from "./pycaserver.js";
import { Bindings } from "./html/bindings.js";

/** @type {HTMLMetaElement | null} */
const meta = document.querySelector('meta[name="pycaserver"]');

/** The page's connection, for scripts. */
export const gateway = new PVClient(meta?.content || undefined);

new Bindings(gateway, document);
