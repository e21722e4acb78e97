/** Keyboard control of everything that can be done with a pointer. */

const TYPING = "input:not([type=checkbox]), select, textarea, dialog, [contenteditable]";

export class Keyboard {
  #table;
  #announcer;

  /** @param {Record<string, () => void>} shortcuts by key; they are inactive in fields */
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
    const { target, key } = event;
    const entry = this.#table.entryOf(target);
    const row = this.#table.rowOf(target);
    const isControl = entry?.controls.includes(target);
    const isTyping = target.closest(TYPING);
    if (!entry || (isTyping && !isControl)) return;
    if (key === "Escape" && row?.details) {
      this.#table.toggle(row, false);
      row.toggle.focus();
    } else if (!isControl) return;
    else if (key === "ArrowUp" || key === "ArrowDown") this.#vertical(entry, event);
    else if (isTyping) return;
    else if (key === "Delete") this.#remove(entry);
    else if (key === "w" && row?.details) row.details.focusPut();
    else return;
    event.preventDefault();
  }

  #vertical(entry, event) {
    const by = event.key === "ArrowUp" ? -1 : 1;
    if (!event.altKey) return this.#table.focus(entry, by, event.target);
    if (this.#table.isSorted) return this.#announcer.announce("Rows cannot be moved while the worst alarms come first");
    const place = this.#table.move(entry, by);
    this.#table.moved();
    this.#announcer.announce(`${nameOf(entry)} moved to position ${place} of ${this.#table.listed.length}`);
    entry.element.scrollIntoView({ block: "nearest" });
  }

  #remove(entry) {
    this.#table.remove(entry);
    this.#announcer.announce(`${nameOf(entry)} removed`);
  }
}

function nameOf(entry) {
  return "watch" in entry ? entry.watch.name : `Heading ${entry.text}`;
}
