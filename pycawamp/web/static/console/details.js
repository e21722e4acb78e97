/** The details of a row: the plot, the facts, and the field for writing. */
import { formattedText } from "../view/format.js";
import { LoginHint } from "./account.js";
import { isComposed, newFigure } from "./composed.js";
import { el, setText } from "./dom.js";
import { factsOf } from "./facts.js";
import { Figure } from "./figure.js";
import { PutForm } from "./putform.js";
import { Viewing } from "./viewing.js";
import { WidthField } from "./widthfield.js";

export class Details {
  #watch;
  #clock;
  #redraw;
  /** @type {any} the plot or picture of the kind of value that is shown */
  #figure = null;
  #text = el("pre", { class: "longtext", tabindex: "0", role: "region", "aria-label": "Value" });
  #picture = el("div", { class: "picture" });
  #facts = el("dl", { class: "facts" });
  #form;
  #hint;
  #viewing;
  #width;

  /**
   * @param {import("./watch.js").Watch} watch
   * @param {import("./pageclock.js").PageClock} clock
   * @param {import("./account.js").Account} account
   * @param {() => void} redraw requests a paint of the plot
   * @param {() => void} repaint requests a paint of the row
   */
  constructor(watch, clock, account, redraw, repaint) {
    this.#watch = watch;
    this.#clock = clock;
    this.#redraw = redraw;
    this.#form = new PutForm(watch, account);
    this.#hint = new LoginHint(account);
    this.#viewing = new Viewing(watch, repaint);
    this.#width = new WidthField(watch, repaint);
    const side = el("div", { class: "side" }, this.#form.element, this.#hint.element, this.#viewing.element, this.#width.element, this.#facts);
    this.element = el("div", { class: "details", role: "row" }, el("div", { class: "c-details", role: "cell" }, this.#picture, side));
  }

  paint() {
    this.paintFigure();
    this.#paintFacts();
    this.#form.paint();
    this.#hint.paint(this.#watch);
    this.#viewing.paint();
    this.#width.paint();
  }

  /** Whether the passing of time has changed the plot. */
  get moved() {
    return this.#figure?.moved ?? true;
  }

  /** Paints what changes with time. */
  paintFigure() {
    const { kind, update, metadata } = this.#watch;
    if (kind === "text") return this.#paintText(update ? formattedText(update, metadata) : "no value yet");
    if (this.#figure?.kind !== kind) this.#newFigure(kind);
    this.#figure.paint();
  }

  close() {
    this.#figure?.release();
    this.element.remove();
  }

  focusPut() {
    this.#form.focus();
  }

  #newFigure(kind) {
    this.#figure?.release();
    this.#figure = isComposed(kind) ? newFigure(this.#watch, this.#clock, this.#redraw) : new Figure(this.#watch, kind, this.#clock, this.#redraw);
    this.#picture.replaceChildren(this.#figure.element);
  }

  #paintText(text) {
    this.#figure?.release();
    this.#figure = null;
    setText(this.#text, text);
    if (this.#text.parentNode !== this.#picture) this.#picture.replaceChildren(this.#text);
  }

  #paintFacts() {
    const facts = factsOf(this.#watch, this.#clock.now(), this.#clock.utc);
    const terms = this.#facts.children;
    if (terms.length !== facts.length) this.#facts.replaceChildren(...facts.map(() => el("div", {}, el("dt"), el("dd"))));
    facts.forEach(([term, text], i) => {
      setText(terms[i].firstChild, term);
      setText(terms[i].lastChild, text);
    });
  }
}
