/** Everything the pointer does, by keys. */

const TYPING = "input, select, textarea, dialog, [contenteditable]";

export class Keyboard {
  #table;
  #announcer;

  /** @param {Record<string, () => void>} shortcuts by key, anywhere but where one types */
  constructor(body, table, announcer, shortcuts) {
    this.#table = table;
    this.#announcer = announcer;
    body.addEventListener("keydown", (event) => this.#inTable(event));
    document.addEventListener("keydown", (event) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      const target = /** @type {Element} */ (event.target);
      if (!plain || target.closest(TYPING) || !Object.hasOwn(shortcuts, event.key)) return;
      event.preventDefault();
      shortcuts[event.key]();
    });
  }

  #inTable(event) {
    const row = this.#table.rowOf(event.target);
    if (!row || event.target.closest(TYPING)) return;
    if (event.key === "Escape" && row.details) {
      this.#table.toggle(row, false);
      row.toggle.focus();
    } else if (!row.controls.includes(event.target)) return;
    else if (event.key === "Delete") this.#remove(row);
    else if (event.key === "w" && row.details) row.details.focusPut();
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") this.#vertical(row, event);
    else return;
    event.preventDefault();
  }

  #vertical(row, event) {
    const by = event.key === "ArrowUp" ? -1 : 1;
    if (!event.altKey) return this.#table.focus(row, by, event.target);
    const place = this.#table.move(row, by);
    this.#table.moved();
    this.#announcer.say(`${row.watch.name} is at place ${place} of ${this.#table.size}`);
    row.element.scrollIntoView({ block: "nearest" });
  }

  #remove(row) {
    this.#table.remove(row);
    this.#announcer.say(`${row.watch.name} removed`);
  }
}
