/** Offers to undo a removal, for a while. */
import { setText } from "./dom.js";

/** Milliseconds. */
const OFFERED = 20000;

export class Undo {
  #element;
  #text;
  #act = () => {};
  #timer = 0;

  /** @param {HTMLElement} element with a text and a button */
  constructor(element) {
    this.#element = element;
    this.#text = element.firstElementChild;
    element.querySelector("button")?.addEventListener("click", () => {
      this.#end();
      this.#act();
    });
  }

  /** @param {string} text what was done @param {() => void} act undoes it */
  offer(text, act) {
    this.#act = act;
    setText(this.#text, text);
    this.#element.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), OFFERED);
  }

  #end() {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
  }
}
