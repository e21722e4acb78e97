/** Whether times are told in UTC or by the clock of whoever looks; remembered in this browser. */
import { zoneName } from "../view/time.js";

const KEY = "pycaserver-utc";

export class Zone {
  #button;
  #heading;
  #moment;
  #changed;

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} heading of the column of times
   * @param {import("./moment.js").Moment} moment
   * @param {() => void} changed
   */
  constructor(button, heading, moment, changed) {
    this.#button = button;
    this.#heading = heading;
    this.#moment = moment;
    this.#changed = changed;
    button.addEventListener("click", () => this.#toggle());
    moment.utc = remembered();
    this.#show();
  }

  #toggle() {
    this.#moment.utc = !this.#moment.utc;
    try {
      localStorage.setItem(KEY, String(this.#moment.utc));
    } catch {
      // A browser that stores nothing still shows the other zone.
    }
    this.#show();
    this.#changed();
  }

  #show() {
    const { utc } = this.#moment;
    this.#button.setAttribute("aria-pressed", String(utc));
    this.#heading.textContent = `IOC time (${zoneName(this.#moment.live(), utc)})`;
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "true";
  } catch {
    return false;
  }
}
