/** Asks for confirmation. Escape, and the button that has the focus first, decline. */
import { el } from "./dom.js";

/**
 * @param {string} title
 * @param {string} text
 * @param {string} action what the other button does
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, action) {
  const no = el("button", { type: "submit", value: "no", autofocus: true }, "Cancel");
  const yes = el("button", { type: "submit", value: "yes", class: "danger" }, action);
  const dialog = el("dialog", { class: "confirm", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
    el("form", { method: "dialog" },
      el("h2", { id: "confirm-title" }, title),
      el("p", { id: "confirm-text" }, text),
      el("div", { class: "buttons" }, no, yes)));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
