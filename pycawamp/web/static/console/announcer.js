/** Tells screen readers, politely, what the eye sees by itself. Values are not told: they never end. */
export class Announcer {
  #region;

  constructor(region) {
    this.#region = region;
  }

  say(text) {
    // The same sentence twice is news twice: a changed node makes readers speak again.
    this.#region.replaceChildren(text);
  }
}
