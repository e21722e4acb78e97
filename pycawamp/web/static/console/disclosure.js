/** A button that shows and hides a panel. */
export class Disclosure {
  #button;
  #panel;
  #shown;

  /** @param {HTMLElement} button @param {HTMLElement} panel @param {() => void} shown paints the panel */
  constructor(button, panel, shown) {
    this.#button = button;
    this.#panel = panel;
    this.#shown = shown;
    button.addEventListener("click", () => this.toggle());
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.toggle(false);
      button.focus();
    });
  }

  toggle(isOpen = this.#panel.hidden) {
    this.#panel.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) this.#shown();
  }
}
