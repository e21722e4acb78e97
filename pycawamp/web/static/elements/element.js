/** The base class of `<pv-value>` and `<pv-chart>`, which has a PV of a gateway while it is in a document. */
import { alarmOf } from "../view/alarm.js";
import { Painter } from "../view/painter.js";
import { fullStamp } from "../view/time.js";
import { gateways } from "./gateways.js";

/** Allows the module to be imported in Node, which has no elements. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});
/** Default of the maximum updates per second. */
const MAX_RATE = 10;
const painter = new Painter();

export class PVElement extends Base {
  /** @type {import("../pycaserver.js").PV | null} the handle, while the element shows a PV */
  handle = null;
  #url = "";
  #isOwnTitle = true;

  static get observedAttributes() {
    return ["pv", "gateway", "max-rate"];
  }

  /** The PV's name. */
  get pv() {
    return this.getAttribute("pv") ?? "";
  }

  set pv(name) {
    this.setAttribute("pv", name);
  }

  /** The newest update, or null. */
  get last() {
    return this.handle?.last ?? null;
  }

  connectedCallback() {
    this.#start();
  }

  disconnectedCallback() {
    this.#stop();
  }

  attributeChangedCallback() {
    this.#stop();
    if (this.isConnected) this.#start();
  }

  /** Requests a paint. */
  mark() {
    painter.mark(this);
  }

  paint() {
    const state = this.handle?.connected ? alarmOf(this.last).name : "disconnected";
    if (this.dataset.state !== state) this.dataset.state = state;
    if (!this.#isOwnTitle) this.title = this.#describe();
    this.show();
  }

  /** Shows the current value. */
  show() {}

  /** @param {import("../pycaserver.js").Update} _update the received update */
  record(_update) {}

  /** Called when the connection to the IOC has begun or ended. */
  turned() {}

  /** Called when the PV has changed. */
  reset() {}

  #start() {
    if (!this.pv) return;
    this.#isOwnTitle = this.hasAttribute("title");
    /** @type {HTMLMetaElement | null} */
    const meta = document.querySelector('meta[name="pycaserver"]');
    this.#url = this.getAttribute("gateway") ?? meta?.content ?? "";
    const maxRate = Number(this.getAttribute("max-rate")) || MAX_RATE;
    this.handle = gateways.take(this.#url).pv(this.pv, { metadata: true, text: true, arrays: "binary", maxRate });
    this.handle.on("value", (update) => {
      this.record(update);
      this.dispatchEvent(new CustomEvent("pv-update", { detail: update }));
      this.mark();
    });
    this.handle.on("connection", (connection) => {
      this.turned();
      this.dispatchEvent(new CustomEvent("pv-connection", { detail: connection }));
      this.mark();
    });
    this.handle.on("metadata", () => this.mark());
    this.handle.on("error", (error) => this.dispatchEvent(new CustomEvent("pv-error", { detail: error })));
    this.mark();
  }

  #stop() {
    if (!this.handle) return;
    this.handle.close();
    this.handle = null;
    gateways.leave(this.#url);
    painter.forget(this);
    if (!this.#isOwnTitle) this.removeAttribute("title");
    this.reset();
  }

  #describe() {
    const { last } = this;
    const lines = [this.pv];
    if (!this.handle?.connected) lines.push(this.handle?.state ?? "");
    else if (last) lines.push(`${last.severity ?? ""} ${last.status ?? ""}`.trim(), fullStamp(last.timestamp));
    return lines.join("\n");
  }
}

/** @param {string} css @returns {CSSStyleSheet} of a shadow root; no policy forbids it */
export function sheetOf(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}

/** @param {string} tag @param {typeof PVElement} element where there are elements */
export function define(tag, element) {
  if (globalThis.customElements && !customElements.get(tag)) customElements.define(tag, element);
}
