/** The user that the gateway has authenticated, and what they may write. */
import { el, setText } from "./dom.js";

const WRITERS = {
  nobody: "Nobody may write: this gateway only shows PVs.",
  anyone: "Everybody may write, as far as the IOCs allow it.",
  "logged-in": "Users who have logged in may write, as far as the IOCs allow it.",
  rules: "The gateway's access rules define who may write each PV.",
};

export class Account {
  /** @type {string | null} */
  user = null;
  /** Whether the gateway has a login. */
  #takesLogins = false;
  #writers = "nobody";
  #button;
  #panel;
  #table;

  /** @param {HTMLElement} button @param {HTMLElement} panel @param {import("./table.js").Table} table */
  constructor(button, panel, table) {
    this.#button = button;
    this.#panel = panel;
    this.#table = table;
  }

  /** Whether a login may allow more writes. */
  get mayHelp() {
    return this.user === null && this.#takesLogins && this.#writers !== "nobody";
  }

  /** @param {{user: string | null, login: boolean, writers: string}} report from the gateway */
  learn({ user, login, writers }) {
    this.user = user;
    this.#takesLogins = login;
    this.#writers = writers;
    this.#button.hidden = user === null && !login && writers === "nobody";
    setText(this.#button, user ?? (login ? "Log in" : "Access"));
    this.#button.title = user === null ? "You are not logged in" : `You are logged in as ${user}`;
    this.paint();
  }

  paint() {
    if (this.#panel.hidden) return;
    const who = this.user === null ? "You are not logged in." : `You are logged in as ${this.user}.`;
    this.#panel.querySelector(".access")?.replaceChildren(
      el("p", {}, who), el("p", {}, WRITERS[this.#writers] ?? ""), el("p", {}, this.#counted()),
      el("p", { class: "line" }, ...this.#links()));
  }

  #counted() {
    const known = this.#table.rows.map(({ watch }) => watch.metadata?.write_access).filter((access) => access !== undefined);
    const count = known.filter((access) => access !== false).length;
    return known.length === 0 ? "" : `You may write ${count} of the ${known.length} connected PVs in the table.`;
  }

  #links() {
    if (!this.#takesLogins) return this.user === null ? [] : ["You are logged in by the proxy in front of this gateway. Log out there."];
    if (this.user === null) return [loginLink()];
    return [el("a", { href: "logout" }, "Log out"), el("span", {}, "The browser then asks for a name and a password. Cancel that dialog.")];
  }
}

/** For the details of a PV that may not be written: whether a login may help. */
export class LoginHint {
  #account;
  element = el("p", { class: "hint", hidden: true });

  /** @param {Account} account */
  constructor(account) {
    this.#account = account;
  }

  paint({ metadata }) {
    const isShown = metadata?.write_access === false && this.#account.mayHelp;
    if (isShown === !this.element.hidden) return;
    this.element.hidden = !isShown;
    this.element.replaceChildren("You may not write this PV. Logging in may help. ", loginLink());
  }
}

/** After the login, the browser returns to the same list. */
function loginLink() {
  const go = ({ target }) => (target.href = `login${location.search}${location.hash}`);
  return el("a", { href: "login", on: { click: go } }, "Log in");
}
