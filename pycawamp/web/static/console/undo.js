/** Offers to undo a removal, for some seconds. */
import { setText } from "./dom.js";

/** Milliseconds for which undo is offered. */
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

  /** @param {string} text a description of the action @param {() => void} act undoes the action */
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
