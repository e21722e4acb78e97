/** The maximum updates per second that the page requests for each PV. */
const USUAL = "10";
const CHOICES = ["1", "2", "5", "10", "20", "all"];

/** @param {string | null} requested */
function chosen(requested) {
  return requested !== null && CHOICES.includes(requested) ? requested : USUAL;
}

export class Rate {
  #select;
  #changed;

  /** @param {string | null} requested from the address */
  constructor(select, requested, changed) {
    this.#select = select;
    this.#changed = changed;
    select.value = chosen(requested);
    select.addEventListener("change", changed);
  }

  /** @param {string | null} requested null: the default */
  choose(requested) {
    const value = chosen(requested);
    if (value === this.#select.value) return;
    this.#select.value = value;
    this.#changed();
  }

  /** Updates per second. */
  get perSecond() {
    return this.#select.value === "all" ? Infinity : Number(this.#select.value);
  }

  /** The rate for the address; null if it is the default. */
  get mention() {
    return this.#select.value === USUAL ? null : this.#select.value;
  }
}
