/** Shows that values are not live: the gateway is unreachable, or the page is paused. */
import { duration, timeOfDay } from "../view/time.js";
import { setText } from "./dom.js";

export class Banner {
  #element;
  #text;
  #button;
  #gateway;
  #clock;
  #announcer;
  #everOpen = false;
  #action = () => {};

  constructor(element, gateway, clock, { announcer, resume }) {
    this.#element = element;
    [this.#text, this.#button] = element.children;
    this.#gateway = gateway;
    this.#clock = clock;
    this.#announcer = announcer;
    this.resume = resume;
    this.#button.addEventListener("click", () => this.#action());
    gateway.on("open", ({ reconnected }) => this.#opened(reconnected));
    gateway.on("close", () => this.#announce("The gateway is unreachable. The displayed values are stale."));
    gateway.on("reconnecting", () => this.paint());
    gateway.on("error", (error) => announcer.announce(`Error from the gateway: ${error.message}`));
  }

  /** Once a second, and when something changed. */
  paint() {
    const { state } = this.#gateway;
    if (state === "waiting" || (state === "connecting" && this.#everOpen)) return this.#lost();
    if (state === "connecting") return this.#show("info", "Connecting to the gateway…");
    if (this.#clock.paused) return this.#paused();
    this.#element.hidden = true;
  }

  #opened(reconnected) {
    this.#everOpen = true;
    if (reconnected) this.#announcer.announce("Reconnected to the gateway.");
    this.paint();
  }

  #lost() {
    const { staleSince, nextAttempt } = this.#gateway;
    const wait = nextAttempt === null ? "Reconnecting now" : `Reconnecting in ${Math.max(1, Math.ceil((nextAttempt - Date.now()) / 1000))} s`;
    const ago = (Date.now() - (staleSince ?? 0)) / 1000;
    const stale = staleSince === null ? "" : ` Stale since ${this.#time(this.#clock.live() - ago)} (${duration(ago)}).`;
    this.#show("alert", `⚠ Gateway unreachable. ${wait}.${stale}`, "Try now", () => this.#gateway.reconnect());
  }

  #paused() {
    const since = this.#clock.now();
    this.#show("info", `Paused at ${this.#time(since)} (${duration(this.#clock.live() - since)} ago). Values are still recorded.`, "Resume", this.resume);
  }

  #show(kind, text, label = "", action = () => {}) {
    this.#element.hidden = false;
    this.#element.className = `banner ${kind}`;
    setText(this.#text, text);
    setText(this.#button, label);
    this.#button.hidden = label === "";
    this.#action = action;
  }

  #time(seconds) {
    return timeOfDay(seconds, this.#clock.utc).slice(0, 8);
  }

  /** Announces a text once, not with every second of the countdown. */
  #announce(text) {
    this.#announcer.announce(text);
    this.paint();
  }
}
