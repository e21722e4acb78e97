/** Suggestions of names below the field, from the gateway. */
import { el } from "./dom.js";
import { gatewayUrl } from "./gatewayurl.js";

/** Minimum number of characters for a request. */
const MIN_LENGTH = 2;
const MAX_LENGTH = 100;
/** Milliseconds without a key press before a request. */
const PAUSE = 200;
const SEPARATORS = /[\s,;]/;

export class Suggestions {
  #field;
  #list;
  #announcer;
  #isOffered = false;
  #timer = 0;
  #aborter = new AbortController();
  #active = -1;

  /** @param {HTMLTextAreaElement} field @param {HTMLElement} list @param {import("./announcer.js").Announcer} announcer */
  constructor(field, list, announcer) {
    this.#field = field;
    this.#list = list;
    this.#announcer = announcer;
    field.addEventListener("input", () => this.#typed());
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("blur", () => this.close());
    // This is handled before the field loses the focus.
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (option) this.#take(option);
    });
  }

  /** Enables suggestions, since the gateway has them. */
  offer() {
    this.#isOffered = true;
  }

  close() {
    clearTimeout(this.#timer);
    this.#aborter.abort();
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#select(-1);
  }

  #typed() {
    this.close();
    const { text } = this.#word;
    if (!this.#isOffered || text.length < MIN_LENGTH || text.length > MAX_LENGTH) return;
    this.#timer = setTimeout(() => this.#request(text), PAUSE);
  }

  /** The name that the cursor is in. */
  get #word() {
    const { value, selectionStart: end } = this.#field;
    let start = end;
    while (start > 0 && !SEPARATORS.test(value[start - 1])) start -= 1;
    return { start, end, text: value.slice(start, end) };
  }

  async #request(text) {
    this.#aborter = new AbortController();
    const { signal } = this.#aborter;
    try {
      const url = gatewayUrl("names");
      url.searchParams.set("part", text);
      const reply = await fetch(url, { signal, cache: "no-store" });
      if (!reply.ok) return;
      const { names, problem } = await reply.json();
      if (!signal.aborted) this.#show(names, problem);
    } catch {
      // Without suggestions, the name can still be typed.
    }
  }

  /** @param {{name: string, description: string, source: string}[]} names @param {string} [problem] */
  #show(names, problem) {
    this.#list.replaceChildren(...names.map(({ name, description, source }, i) =>
      el("li", { id: `suggestion-${i}`, role: "option", "aria-selected": "false", data: { name } }, el("b", {}, name), el("span", {}, description), el("small", {}, source))));
    this.#list.hidden = names.length === 0;
    const count = names.length === 0 ? "" : `${names.length} suggestions. `;
    if (count || problem) this.#announcer.announce(`${count}${problem ?? ""}`.trim());
    this.#list.title = problem ?? "";
  }

  #key(event) {
    const { length } = this.#list.children;
    if (this.#list.hidden || event.isComposing) return;
    if (event.key === "Escape") this.close();
    else if (event.key === "ArrowDown") this.#select((this.#active + 1) % length);
    else if (event.key === "ArrowUp") this.#select((this.#active + length) % (length + 1) - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && this.#active >= 0) this.#take(this.#list.children[this.#active]);
    else return;
    event.preventDefault();
    // Enter adds the names, unless it chooses a suggestion.
    event.stopImmediatePropagation();
  }

  #select(index) {
    this.#active = index;
    Array.from(this.#list.children, (option, i) => option.setAttribute("aria-selected", String(i === index)));
    const option = this.#list.children[index];
    if (option) {
      this.#field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else this.#field.removeAttribute("aria-activedescendant");
  }

  #take(option) {
    const { start, end } = this.#word;
    this.#field.setRangeText(`${option.dataset.name} `, start, end, "end");
    this.close();
  }
}
