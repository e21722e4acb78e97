/** Suggestions of names below the field, from the gateway. */
import { el } from "./dom.js";
import { gatewayUrl } from "./gatewayurl.js";

/** Characters before anything is asked for. */
const LEAST = 2;
const MOST = 100;
/** Milliseconds without a key before anything is asked for. */
const PAUSE = 200;
const SEPARATORS = /[\s,;]/;

export class Suggestions {
  #field;
  #list;
  #announcer;
  #isOffered = false;
  #timer = 0;
  #asked = new AbortController();
  #active = -1;

  /** @param {HTMLTextAreaElement} field @param {HTMLElement} list @param {import("./announcer.js").Announcer} announcer */
  constructor(field, list, announcer) {
    this.#field = field;
    this.#list = list;
    this.#announcer = announcer;
    field.addEventListener("input", () => this.#typed());
    field.addEventListener("keydown", (event) => this.#key(event));
    field.addEventListener("blur", () => this.close());
    // Before the field loses the focus.
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      const option = /** @type {Element} */ (event.target).closest("[role=option]");
      if (option) this.#take(option);
    });
  }

  /** The gateway can be asked. */
  offer() {
    this.#isOffered = true;
  }

  close() {
    clearTimeout(this.#timer);
    this.#asked.abort();
    this.#list.hidden = true;
    this.#list.replaceChildren();
    this.#select(-1);
  }

  #typed() {
    this.close();
    const { text } = this.#word;
    if (!this.#isOffered || text.length < LEAST || text.length > MOST) return;
    this.#timer = setTimeout(() => this.#ask(text), PAUSE);
  }

  /** The name that the cursor is in. */
  get #word() {
    const { value, selectionStart: end } = this.#field;
    let start = end;
    while (start > 0 && !SEPARATORS.test(value[start - 1])) start -= 1;
    return { start, end, text: value.slice(start, end) };
  }

  async #ask(text) {
    this.#asked = new AbortController();
    const { signal } = this.#asked;
    try {
      const url = gatewayUrl("names");
      url.searchParams.set("part", text);
      const reply = await fetch(url, { signal, cache: "no-store" });
      if (!reply.ok) return;
      const { names, problem } = await reply.json();
      if (!signal.aborted) this.#show(names, problem);
    } catch {
      // Without an answer, one types the name.
    }
  }

  /** @param {{name: string, description: string, source: string}[]} names @param {string} [problem] */
  #show(names, problem) {
    this.#list.replaceChildren(...names.map(({ name, description, source }, i) =>
      el("li", { id: `suggestion-${i}`, role: "option", "aria-selected": "false", data: { name } }, el("b", {}, name), el("span", {}, description), el("small", {}, source))));
    this.#list.hidden = names.length === 0;
    const count = names.length === 0 ? "" : `${names.length} suggestions. `;
    if (count || problem) this.#announcer.say(`${count}${problem ?? ""}`.trim());
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
    // Enter adds, unless it chooses.
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
