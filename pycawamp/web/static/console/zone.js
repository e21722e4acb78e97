/** Whether times are shown in UTC or in local time; stored in this browser. */
import { zoneName } from "../view/time.js";

const KEY = "pycaserver-utc";

export class Zone {
  #button;
  #heading;
  #clock;
  #changed;

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} heading of the column of times
   * @param {import("./pageclock.js").PageClock} clock
   * @param {() => void} changed
   */
  constructor(button, heading, clock, changed) {
    this.#button = button;
    this.#heading = heading;
    this.#clock = clock;
    this.#changed = changed;
    button.addEventListener("click", () => this.#toggle());
    clock.utc = remembered();
    this.#show();
  }

  #toggle() {
    this.#clock.utc = !this.#clock.utc;
    try {
      localStorage.setItem(KEY, String(this.#clock.utc));
    } catch {
      // The zone can be changed without storage.
    }
    this.#show();
    this.#changed();
  }

  #show() {
    const { utc } = this.#clock;
    this.#button.setAttribute("aria-pressed", String(utc));
    this.#heading.textContent = `IOC time (${zoneName(this.#clock.live(), utc)})`;
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY) === "true";
  } catch {
    return false;
  }
}
