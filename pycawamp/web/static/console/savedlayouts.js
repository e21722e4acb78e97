/** Layouts that are stored in this browser, by name. */
import { jsonOf, layoutOf, LIMITS } from "./layout.js";

const KEY = "pycaserver-layout ";
const MAX_LAYOUTS = 100;

/** @returns {string[]} */
export function savedNames() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(KEY)).map((key) => key.slice(KEY.length)).sort();
  } catch {
    return [];
  }
}

/** @param {import("./layout.js").Layout} layout @throws {Error} if it cannot be stored */
export function save(layout) {
  const text = jsonOf(layout);
  if (text.length > LIMITS.bytes) throw new Error("The layout is too large for this browser. Save it as a file.");
  const names = savedNames();
  if (names.length >= MAX_LAYOUTS && !names.includes(layout.name)) throw new Error(`This browser keeps ${MAX_LAYOUTS} layouts. Delete one first.`);
  try {
    localStorage.setItem(KEY + layout.name, text);
  } catch {
    throw new Error("The browser cannot store the layout: its storage is full or disabled. Save it as a file.");
  }
}

/** @param {string} name @returns {import("./layout.js").Layout} @throws {Error} if it is not valid */
export function saved(name) {
  return { ...layoutOf(localStorage.getItem(KEY + name) ?? ""), name };
}

export function forget(name) {
  localStorage.removeItem(KEY + name);
}
