/** The maximum updates per second that the page requests for each PV. */
const USUAL = "10";
const CHOICES = ["1", "2", "5", "10", "20", "all"];

/** @param {string | null} wanted */
function chosen(wanted) {
  return wanted !== null && CHOICES.includes(wanted) ? wanted : USUAL;
}

export class Rate {
  #select;
  #changed;

  /** @param {string | null} wanted from the address */
  constructor(select, wanted, changed) {
    this.#select = select;
    this.#changed = changed;
    select.value = chosen(wanted);
    select.addEventListener("change", changed);
  }

  /** @param {string | null} wanted null: the usual one */
  choose(wanted) {
    const value = chosen(wanted);
    if (value === this.#select.value) return;
    this.#select.value = value;
    this.#changed();
  }

  /** Updates per second. */
  get perSecond() {
    return this.#select.value === "all" ? Infinity : Number(this.#select.value);
  }

  /** For the address: null when it is the usual one. */
  get mention() {
    return this.#select.value === USUAL ? null : this.#select.value;
  }
}
