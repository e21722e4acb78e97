/** Layouts that are kept in this browser, by their names. */
import { jsonOf, layoutOf, MOST } from "./layout.js";

const KEY = "pycaserver-layout ";
const MOST_LAYOUTS = 100;

/** @returns {string[]} */
export function savedNames() {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(KEY)).map((key) => key.slice(KEY.length)).sort();
  } catch {
    return [];
  }
}

/** @param {import("./layout.js").Layout} layout @throws {Error} if it cannot be kept */
export function save(layout) {
  const text = jsonOf(layout);
  if (text.length > MOST.bytes) throw new Error("The layout is too large for this browser. Save it as a file.");
  const names = savedNames();
  if (names.length >= MOST_LAYOUTS && !names.includes(layout.name)) throw new Error(`This browser keeps ${MOST_LAYOUTS} layouts. Delete one first.`);
  try {
    localStorage.setItem(KEY + layout.name, text);
  } catch {
    throw new Error("The browser cannot store the layout: its storage is full or disabled. Save it as a file.");
  }
}

/** @param {string} name @returns {import("./layout.js").Layout} @throws {Error} what is wrong with it */
export function saved(name) {
  return { ...layoutOf(localStorage.getItem(KEY + name) ?? ""), name };
}

export function forget(name) {
  localStorage.removeItem(KEY + name);
}
