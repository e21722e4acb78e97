/** Puts a text on the clipboard; also where the page came by plain HTTP, for which browsers have no API. */
import { el } from "./dom.js";

/** @param {string} text @returns {Promise<boolean>} whether it is there */
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByCommand(text);
  }
}

function copiedByCommand(text) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const field = el("textarea", { class: "unseen", readonly: true, "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}
