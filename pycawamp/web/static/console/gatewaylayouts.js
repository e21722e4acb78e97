/** The layouts of the gateway's folder (`--layouts`), which pages can only read. */
import { gatewayUrl } from "./gatewayurl.js";
import { layoutOf } from "./layout.js";

/** @returns {Promise<string[]>} their names @throws {Error} */
export async function layoutNames() {
  const { layouts } = JSON.parse(await request("layouts"));
  return layouts;
}

/** @param {string} name @returns {Promise<import("./layout.js").Layout>} @throws {Error} if it cannot be loaded */
export async function gatewayLayout(name) {
  const found = layoutOf(await request(`layouts/${encodeURIComponent(name)}`));
  return { ...found, name: found.name || name };
}

async function request(path) {
  const reply = await fetch(gatewayUrl(path), { cache: "no-cache" });
  const text = await reply.text();
  if (!reply.ok) throw new Error(problemIn(text) || `the gateway answered ${reply.status}`);
  return text;
}

/** The error message of a response. */
function problemIn(text) {
  try {
    return JSON.parse(text).detail ?? "";
  } catch {
    return text.slice(0, 200).trim();
  }
}
