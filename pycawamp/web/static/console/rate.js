/** How many updates a second the page asks for, per PV. */
const USUAL = "10";
const CHOICES = ["1", "2", "5", "10", "20", "all"];

export class Rate {
  #select;

  /** @param {string | null} wanted from the address */
  constructor(select, wanted, changed) {
    this.#select = select;
    select.value = CHOICES.includes(wanted) ? wanted : USUAL;
    select.addEventListener("change", changed);
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
