/** A pvAccess structure as a tree. Branches remain open or closed while values change. */
import { scalarText } from "../view/reading.js";
import { el, setText } from "./dom.js";

const SHOWN_ELEMENTS = 10;
/** Maximum number of elements of an array of structures. */
const SHOWN_BRANCHES = 100;
/** Branches below this depth are closed at first, */
const OPEN_DEPTH = 1;
/** and so are these standard fields. */
const SHUT = ["record", "alarm", "timeStamp"];

export class TreeFigure {
  kind = "tree";
  #watch;
  /** @type {Fields | null} */
  #root = null;
  #painted = null;
  #frame;

  constructor(watch) {
    this.#watch = watch;
    this.#frame = el("div", { class: "composed tree", tabindex: "0", role: "region", "aria-label": `Fields of ${watch.name}` });
    this.element = el("figure", { class: "figure" }, this.#frame);
  }

  paint() {
    const { update } = this.#watch;
    if (!update || update === this.#painted) return;
    this.#painted = update;
    const root = (this.#root ??= new Fields(0));
    root.show(childrenOf(update.value));
    if (!root.element.parentNode) this.#frame.append(root.element);
  }

  release() {
    this.#frame.replaceChildren();
  }
}

/** The names of the fields, as text. */
export function treeText(value) {
  return `{${Object.keys(value ?? {}).join(", ")}}`;
}

/** The fields of one structure, or the elements of an array of them. */
class Fields {
  element = el("ul");
  #depth;
  #fields = new Map();

  constructor(depth) {
    this.#depth = depth;
  }

  /** @param {[string, any][]} children */
  show(children) {
    const names = children.map(([name]) => name);
    if (names.join("\n") !== [...this.#fields.keys()].join("\n")) this.#make(names);
    for (const [name, value] of children) this.#fields.get(name).show(value);
  }

  #make(names) {
    this.#fields = new Map(names.map((name) => [name, new Field(name, this.#depth)]));
    this.element.replaceChildren(...[...this.#fields.values()].map((field) => field.element));
  }
}

/** A name and its value, which is a text or has fields. */
class Field {
  element = el("li");
  #name;
  #depth;
  /** @type {HTMLElement | null} of a leaf */
  #text = null;
  /** @type {{details: HTMLDetailsElement, hint: HTMLElement, fields: Fields} | null} of a branch */
  #branch = null;
  /** The value of a closed branch, which is not painted. */
  #children = [];

  constructor(name, depth) {
    this.#name = name;
    this.#depth = depth;
  }

  show(value) {
    if (isBranch(value)) this.#showBranch(value);
    else this.#showText(leafText(value));
  }

  #showText(text) {
    this.#text ??= this.#makeText();
    setText(this.#text, text);
  }

  #makeText() {
    this.#branch = null;
    const leaf = el("span", { class: "leaf" });
    this.element.replaceChildren(el("span", { class: "key" }, this.#name), " ", leaf);
    return leaf;
  }

  #showBranch(value) {
    this.#children = childrenOf(value);
    const { details, hint, fields } = (this.#branch ??= this.#makeBranch());
    setText(hint, Array.isArray(value) ? `[${value.length}]` : "");
    if (details.open) fields.show(this.#children);
  }

  #makeBranch() {
    this.#text = null;
    const hint = el("span", { class: "leaf" });
    const fields = new Fields(this.#depth + 1);
    const details = el("details", { open: this.#depth < OPEN_DEPTH && !SHUT.includes(this.#name) }, el("summary", {}, el("span", { class: "key" }, this.#name), " ", hint), fields.element);
    details.addEventListener("toggle", () => details.open && fields.show(this.#children));
    this.element.replaceChildren(details);
    return { details, hint, fields };
  }
}

function isBranch(value) {
  if (Array.isArray(value)) return value.some((item) => item !== null && typeof item === "object");
  return value !== null && typeof value === "object";
}

/** @returns {[string, any][]} */
function childrenOf(value) {
  if (Array.isArray(value)) return value.slice(0, SHOWN_BRANCHES).map((item, i) => [String(i), item]);
  return Object.entries(value ?? {});
}

function leafText(value) {
  if (value === null) return "–";
  if (!Array.isArray(value)) return typeof value === "string" ? JSON.stringify(value) : scalarText(value, null);
  const shown = value.slice(0, SHOWN_ELEMENTS).map(leafText);
  return `[${[...shown, ...(value.length > SHOWN_ELEMENTS ? [`… ${value.length} in total`] : [])].join(", ")}]`;
}
