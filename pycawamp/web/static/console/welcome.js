/** The empty page: how to begin and, with the demo, with what. */
import { el } from "./dom.js";

export class Welcome {
  #element;
  #add;

  /** @param {(names: string[]) => void} add */
  constructor(element, add) {
    this.#element = element;
    this.#add = add;
  }

  show(visible) {
    this.#element.hidden = !visible;
  }

  /** @param {[string, string][]} records name and what it is */
  offer(records) {
    if (records.length === 0) return;
    const names = records.map(([name]) => name);
    this.#element.append(
      el("div", { class: "offer" },
        el("h2", {}, "Or try the demo"),
        el("button", { type: "button", class: "primary", on: { click: () => this.#add(names) } }, `Add all ${names.length}`)),
      el("ul", { class: "offers" }, ...records.map(([name, text]) => this.#offer(name, text))));
  }

  #offer(name, text) {
    return el("li", {}, el("button", { type: "button", on: { click: () => this.#add([name]) } }, name), el("span", {}, text));
  }
}

/** What the gateway tells about itself. A gateway that tells nothing offers nothing. */
export async function gatewayConfig() {
  try {
    const reply = await fetch("config.json", { cache: "no-cache" });
    const config = reply.ok ? await reply.json() : {};
    const demo = Array.isArray(config.demo) ? config.demo.filter((pair) => Array.isArray(pair) && typeof pair[0] === "string") : [];
    return { version: String(config.version ?? ""), demo: demo.map(([name, text]) => [name, String(text ?? "")]) };
  } catch {
    return { version: "", demo: [] };
  }
}
