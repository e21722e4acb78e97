/** By how much the clock of this computer is off, by the gateway's `Date` headers. */

/** What is less (ms) is not worth a correction. */
const WORTH = 1000;
/** Between the two requests of a measurement (ms): `Date` has whole seconds. */
const PAUSE = 430;

export class Clock {
  /** Milliseconds to add to this computer's clock. */
  offset = 0;
  #changed;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Seconds since 1970. */
  now() {
    return (Date.now() + this.offset) / 1000;
  }

  /** Asks the gateway for its time. Without an answer nothing changes. */
  async measure() {
    try {
      const first = await ask();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      const offset = offsetFrom([first, await ask()]);
      if (offset === this.offset || (offset !== 0 && Math.abs(offset - this.offset) <= WORTH)) return;
      this.offset = offset;
      this.#changed();
    } catch {
      // The gateway cannot be reached: the page says so.
    }
  }
}

/**
 * @param {{sent: number, date: number, received: number}[]} answers all in ms since 1970; `date`, in whole seconds, is the gateway's
 * @returns {number} ms; 0 if the clock is right to the second
 */
export function offsetFrom(answers) {
  const low = Math.max(...answers.map(({ date, received }) => date - received));
  const high = Math.min(...answers.map(({ date, sent }) => date + 1000 - sent));
  const offset = (low + high) / 2;
  return low > high || Number.isNaN(offset) || Math.abs(offset) <= WORTH ? 0 : offset;
}

async function ask() {
  const sent = Date.now();
  const reply = await fetch("config.json", { method: "HEAD", cache: "no-store" });
  return { sent, date: Date.parse(reply.headers.get("date") ?? ""), received: Date.now() };
}
