/** The wall display: large type without controls. A button to leave it is shown while the pointer moves, and while it has the focus. */

/** Milliseconds for which the button is shown. */
const SHOWN = 3000;

export class Wall {
  #button;
  #isOn = false;
  #timer = 0;

  /** @param {HTMLElement} button @param {() => void} leave */
  constructor(button, leave) {
    this.#button = button;
    button.addEventListener("click", leave);
    document.addEventListener("keydown", ({ key }) => this.#isOn && key === "Escape" && leave());
    document.addEventListener("pointermove", () => this.#wake());
  }

  /** @param {boolean} isOn */
  set(isOn) {
    this.#isOn = isOn;
    this.#button.hidden = !isOn;
    document.body.classList.toggle("wall", isOn);
    if (isOn) this.#wake();
  }

  #wake() {
    if (!this.#isOn) return;
    document.body.classList.add("awake");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => document.body.classList.remove("awake"), SHOWN);
  }
}
