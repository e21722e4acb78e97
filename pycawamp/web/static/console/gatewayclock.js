/** The offset of this computer's clock, from the gateway's `Date` headers. */
import { gatewayUrl } from "./gatewayurl.js";

/** Smaller offsets (ms) are not corrected. */
const WORTH = 1000;
/** Time between the two requests of a measurement (ms), since `Date` has whole seconds. */
const PAUSE = 430;

/**
 * @typedef {object} Answer all in ms since 1970
 * @property {number} sent
 * @property {number} date the gateway's time, in whole seconds
 * @property {number} received
 */

export class GatewayClock {
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

  /** Requests the gateway's time. Without an answer, nothing changes. */
  async measure() {
    try {
      await this.learn(await this.#request());
    } catch {
      // The page shows elsewhere that the gateway is unreachable.
    }
  }

  /**
   * Handles an answer of the gateway, and sends another request if the clock seems to be wrong.
   * @param {Answer} answer
   */
  async learn(answer) {
    if (offsetFrom([answer]) === 0) return this.#set(0);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    this.#set(offsetFrom([answer, await this.#request()]));
  }

  async #request() {
    const sent = Date.now();
    const reply = await fetch(gatewayUrl("config.json"), { method: "HEAD", cache: "no-store" });
    return answerOf(sent, reply);
  }

  #set(offset) {
    const isSame = offset === 0 ? this.offset === 0 : Math.abs(offset - this.offset) <= WORTH;
    if (isSame) return;
    this.offset = offset;
    this.#changed();
  }
}

/** @param {number} sent time of the request (ms since 1970) @param {Response} reply received just now @returns {Answer} */
export function answerOf(sent, reply) {
  return { sent, date: Date.parse(reply.headers.get("date") ?? ""), received: Date.now() };
}

/**
 * @param {Answer[]} answers
 * @returns {number} ms; 0 if the clock is right to the second
 */
export function offsetFrom(answers) {
  const low = Math.max(...answers.map(({ date, received }) => date - received));
  const high = Math.min(...answers.map(({ date, sent }) => date + 1000 - sent));
  const offset = (low + high) / 2;
  return low > high || (low <= 0 && high >= 0) || Number.isNaN(offset) || Math.abs(offset) <= WORTH ? 0 : offset;
}
