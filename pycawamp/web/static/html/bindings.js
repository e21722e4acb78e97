/** All bound elements of a document, including those that are added, removed or changed later. */
import { Painter } from "../view/painter.js";
import { Binding } from "./binding.js";

const BOUND = "[data-pv]";

export class Bindings {
  #gateway;
  #painter = new Painter();
  #bound = new Map();
  #observer = new MutationObserver((changes) => this.#follow(changes));

  constructor(gateway, root) {
    this.#gateway = gateway;
    this.#observer.observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-pv"] });
    this.#each(root, (element) => this.#bind(element));
  }

  get size() {
    return this.#bound.size;
  }

  stop() {
    this.#observer.disconnect();
    for (const element of [...this.#bound.keys()]) this.#release(element);
  }

  #follow(changes) {
    for (const { type, target, addedNodes, removedNodes } of changes) {
      if (type === "attributes") this.#rebind(target);
      // A node that was only moved is still in the document, and keeps its binding.
      for (const node of removedNodes) this.#each(node, (element) => element.isConnected || this.#release(element));
      for (const node of addedNodes) this.#each(node, (element) => element.isConnected && this.#bind(element));
    }
  }

  #rebind(element) {
    this.#release(element);
    if (element.isConnected) this.#bind(element);
  }

  #bind(element) {
    if (this.#bound.has(element) || !element.dataset.pv) return;
    this.#bound.set(element, new Binding(element, this.#gateway, this.#painter));
  }

  #release(element) {
    this.#bound.get(element)?.stop();
    this.#bound.delete(element);
  }

  #each(node, visit) {
    if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_NODE) return;
    if (node.matches?.(BOUND)) visit(node);
    for (const element of node.querySelectorAll(BOUND)) visit(element);
  }
}
