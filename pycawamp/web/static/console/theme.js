/** The colour scheme: light, dark or that of the system. It is stored in this browser. */
const KEY = "pycaserver-theme";
const ORDER = ["auto", "light", "dark"];
const LABELS = { auto: "◐ Auto", light: "○ Light", dark: "● Dark" };

export class Theme {
  #button;
  #changed;
  #choice = remembered();

  /** @param {() => void} changed called when the colours have changed */
  constructor(button, changed) {
    this.#button = button;
    this.#changed = changed;
    button.addEventListener("click", () => this.#next());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
    this.#apply();
  }

  #next() {
    this.#choice = ORDER[(ORDER.indexOf(this.#choice) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, this.#choice);
    } catch {
      // Colours can be changed without storage.
    }
    this.#apply();
    this.#changed();
  }

  #apply() {
    document.documentElement.dataset.theme = this.#choice;
    this.#button.textContent = LABELS[this.#choice];
  }
}

function remembered() {
  try {
    const choice = localStorage.getItem(KEY);
    return choice !== null && ORDER.includes(choice) ? choice : "auto";
  } catch {
    return "auto";
  }
}
