/** The declarative form: importing it brings every `data-pv` element of the page to life. */
import type { PVClient } from "./index.js";

/** The page's connection. */
export const gateway: PVClient;
