/** Announces changes to screen readers (`aria-live="polite"`), apart from values. */
export class Announcer {
  #region;

  constructor(region) {
    this.#region = region;
  }

  announce(text) {
    // A changed node is announced again, even with the same text.
    this.#region.replaceChildren(text);
  }
}
