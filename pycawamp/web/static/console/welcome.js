/** The empty page: how to begin, with the PVs of the demo if it runs. */
import { answerOf } from "./gatewayclock.js";
import { el } from "./dom.js";
import { gatewayUrl } from "./gatewayurl.js";

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

  /** @param {[string, string][]} records names and descriptions */
  offer(records) {
    if (records.length === 0) return;
    const names = records.map(([name]) => name);
    this.#element.append(
      el("div", { class: "offer" },
        el("h2", {}, "Or try the demo"),
        el("button", { type: "button", class: "primary", on: { click: () => this.#add(names) } }, `Add all ${names.length}`)),
      el("ul", { class: "offers" }, ...records.map(([name, text]) => this.#offer(name, text))));
  }

  /** @param {string[]} names of layouts @param {(name: string) => void} open */
  offerLayouts(names, open) {
    if (names.length === 0) return;
    this.#element.append(
      el("h2", {}, "Or open a layout"),
      el("ul", { class: "names" }, ...names.map((name) => el("li", {}, el("button", { type: "button", on: { click: () => open(name) } }, name)))));
  }

  #offer(name, text) {
    return el("li", {}, el("button", { type: "button", on: { click: () => this.#add([name]) } }, name), el("span", {}, text));
  }
}

/** Requests the gateway's configuration, and its time for the clock. If that fails, nothing is offered. */
export async function gatewayConfig(clock) {
  try {
    const sent = Date.now();
    const reply = await fetch(gatewayUrl("config.json"), { cache: "no-store" });
    // The page does not wait for the clock.
    clock.learn(answerOf(sent, reply)).catch(() => {});
    const config = reply.ok ? await reply.json() : {};
    const demo = Array.isArray(config.demo) ? config.demo.filter((pair) => Array.isArray(pair) && typeof pair[0] === "string") : [];
    return {
      version: String(config.version ?? ""),
      demo: demo.map(([name, text]) => [name, String(text ?? "")]),
      user: typeof config.user === "string" ? config.user : null,
      login: config.login === true,
      writers: String(config.writers ?? "nobody"),
      layouts: config.layouts === true,
      names: config.names === true,
      history: Number(config.history ?? 0),
      archiver: config.archiver === true,
    };
  } catch {
    return { version: "", demo: [], user: null, login: false, writers: "nobody", layouts: false, names: false, history: 0, archiver: false };
  }
}
