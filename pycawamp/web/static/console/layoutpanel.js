/** The panel for the view, and for saving and opening layouts. */
import { el, setText } from "./dom.js";
import { download } from "./export.js";
import { gatewayLayout, layoutNames } from "./gatewaylayouts.js";
import { COLUMNS, jsonOf, layoutOf, LIMITS, SHOWN } from "./layout.js";
import { forget, save, saved, savedNames } from "./savedlayouts.js";

const FLAGS = { compact: "Compact rows", descriptions: "Descriptions", worst: "Worst alarms first" };

export class LayoutPanel {
  #panel;
  #current;
  #open;
  #reveal;
  #hasFolder = false;
  #columns;
  #shown;
  #flags;
  #name = el("input", { type: "text", maxlength: String(LIMITS.name), placeholder: "name", "aria-label": "Name of the layout", spellcheck: "false", autocomplete: "off" });
  /** The name that was last written into the field. */
  #written = "";
  #outcome = el("output", { class: "outcome", role: "status" });
  #own = el("ul", { class: "names", "aria-label": "Layouts in this browser" });
  #gateways = el("ul", { class: "names", "aria-label": "Layouts of the gateway", hidden: true });

  /**
   * @param {HTMLElement} panel
   * @param {import("./currentlayout.js").CurrentLayout} current
   * @param {object} actions
   * @param {(layout: import("./layout.js").Layout, source?: string) => void} actions.open replaces this layout
   * @param {() => void} actions.addHeading
   * @param {() => void} actions.reveal opens the panel, if it is not open
   */
  constructor(panel, current, { open, addHeading, reveal }) {
    this.#panel = panel;
    this.#current = current;
    this.#open = open;
    this.#reveal = reveal;
    this.#columns = select(COLUMNS.map((count) => [String(count), String(count)]), (value) => current.change({ columns: Number(value) }));
    this.#shown = select(Object.entries(SHOWN), (show) => current.change({ show }));
    this.#flags = Object.keys(FLAGS).map((key) => el("input", { type: "checkbox", on: { change: ({ target }) => current.change({ [key]: target.checked }) } }));
    const file = el("input", { type: "file", accept: ".json,application/json", class: "unseen", tabindex: "-1", "aria-hidden": "true", on: { change: () => this.#openFile(file) } });
    panel.append(
      el("div", { class: "line" },
        labelled("Columns", this.#columns), labelled("Show", this.#shown),
        ...Object.values(FLAGS).map((label, i) => el("label", { class: "tick" }, this.#flags[i], label)),
        button("Add heading", addHeading), button("Wall display", () => current.change({ wall: true }))),
      el("form", { class: "line", on: { submit: (event) => this.#save(event) } },
        labelled("Layout", this.#name),
        el("button", { type: "submit" }, "Save in this browser"),
        button("Save as file", () => this.#saveFile()), button("Open file…", () => file.click()), file, this.#outcome),
      this.#own, this.#gateways);
  }

  /** Lists the layouts of the gateway's folder. @returns {Promise<string[]>} their names */
  async offerFolder() {
    this.#hasFolder = true;
    return this.#readFolder();
  }

  /** Updates the panel when it is opened. */
  shown() {
    this.paint();
    if (this.#hasFolder && !this.#panel.hidden) this.#readFolder();
  }

  paint() {
    const { view, name } = this.#current;
    this.#columns.value = String(view.columns);
    this.#shown.value = view.show;
    Object.keys(FLAGS).forEach((key, i) => (this.#flags[i].checked = view[key]));
    if (this.#panel.hidden) return;
    // A name that is being typed is kept until another layout is opened.
    if (name !== this.#written) this.#name.value = this.#written = name;
    this.#own.replaceChildren(...savedNames().map((each) => el("li", {},
      button(each, () => this.#try(() => this.#open(saved(each)))),
      el("button", { type: "button", class: "remove", "aria-label": `Delete layout ${each}`, title: "Delete", on: { click: () => this.#forget(each) } }, "×"))));
    this.#own.hidden = this.#own.children.length === 0;
  }

  async #readFolder() {
    try {
      const names = await layoutNames();
      this.#gateways.replaceChildren(...names.map((each) => el("li", {}, button(each, () => this.openFromGateway(each)))));
      this.#gateways.hidden = names.length === 0;
      return names;
    } catch (error) {
      this.#fail(error);
      return [];
    }
  }

  /** @param {string} name @returns {Promise<boolean>} whether it is shown */
  openFromGateway(name) {
    return this.#try(async () => this.#open(await gatewayLayout(name), name));
  }

  #save(event) {
    event.preventDefault();
    this.#try(() => {
      this.#take();
      if (this.#current.name === "") {
        this.#name.focus();
        throw new Error("Give the layout a name first.");
      }
      save(this.#current.value);
      setText(this.#outcome, `✓ Saved ${this.#current.name}`);
      this.paint();
    });
  }

  #saveFile() {
    this.#take();
    const file = `${(this.#current.name || "layout").replace(/[^\w.-]+/g, "_")}.json`;
    download(file, new Blob([jsonOf(this.#current.value)], { type: "application/json" }));
  }

  #openFile(field) {
    this.#try(async () => {
      const [file] = field.files;
      field.value = "";
      if (!file) return;
      if (file.size > LIMITS.bytes) throw new Error(`${file.name}: a layout may have at most ${LIMITS.bytes} bytes`);
      const found = layoutOf(await file.text());
      this.#open({ ...found, name: found.name || file.name.replace(/\.json$/, "") });
    });
  }

  #forget(name) {
    forget(name);
    setText(this.#outcome, `Deleted ${name}`);
    this.#name.focus();
    this.paint();
  }

  /** Gives the layout the name in the field. */
  #take() {
    this.#current.name = this.#name.value.trim();
    this.#current.write();
  }

  async #try(act) {
    try {
      setText(this.#outcome, "");
      this.#outcome.className = "outcome";
      await act();
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #fail({ message }) {
    this.#outcome.className = "outcome failed";
    setText(this.#outcome, `✕ ${message}`);
    this.#reveal();
  }
}

function button(label, click) {
  return el("button", { type: "button", on: { click } }, label);
}

function labelled(label, field) {
  return el("label", {}, el("span", {}, label), field);
}

function select(options, changed) {
  return el("select", { on: { change: ({ target }) => changed(target.value) } }, ...options.map(([value, text]) => el("option", { value }, text)));
}
