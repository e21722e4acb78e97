/** The times at which samples of a PV are drawn: the IOC's time stamps, as long as these are plausible. */
import { duration, neverProcessed } from "../view/time.js";

/** An IOC's clock may be ahead by this much (s). */
const AHEAD = 2;
/** The time stamps of a PV may decrease by this much (s): a record has several sources of events. */
const BACK = 1;
/** An update that takes longer (s) is late: it was delayed, or the IOC's clock is behind. */
const LATE = 10;
/** Time (s) for which updates may be delayed before the clock is considered wrong. */
const PATIENCE = 10;

export class Stamps {
  /** A note about the newest sample's time, for charts; or "". */
  note = "";
  /** The time since which samples are drawn at their arrival; Infinity: they are not. */
  arrivedSince = Infinity;
  /** @type {{lag: number, now: number} | null} when the delay began, and how long it was */
  #late = null;

  /**
   * @param {number} stamp the IOC's time (s since 1970)
   * @param {number} now when it arrived
   * @param {number} last the time at which the last sample was drawn; -Infinity: there is none
   * @param {boolean} isFirst whether it is the first value of a connection, which may be hours old
   * @returns {number} the time at which the sample is drawn, or `last` if that is later
   */
  place(stamp, now, last, isFirst) {
    const lag = now - stamp;
    if (isFirst || lag < LATE) this.#late = null;
    if (neverProcessed(stamp)) return this.#arrived("The record has no time stamps", now);
    if (lag < -AHEAD) return this.#arrived(`The IOC's time is ${duration(-lag)} ahead`, now);
    if (isFirst && stamp <= last) return this.#repeated(stamp);
    if (isFirst) return this.#believed("", stamp);
    if (this.#isClock(lag, now) || stamp < last - BACK) return this.#arrived(`The IOC's time is ${duration(lag)} behind`, now);
    return this.#believed(lag < LATE ? "" : `Updates arrive ${duration(lag)} late.`, stamp);
  }

  #arrived(reason, now) {
    this.note = `${reason}: values are drawn when they arrive.`;
    this.arrivedSince = Math.min(this.arrivedSince, now);
    return now;
  }

  /** The time of a value from before the connection, which is no evidence about the clocks. */
  #repeated(stamp) {
    this.note = "";
    return stamp;
  }

  #believed(note, at) {
    this.note = note;
    this.arrivedSince = Infinity;
    return at;
  }

  /** Whether the clock is behind: delayed updates would catch up. */
  #isClock(lag, now) {
    if (lag < LATE) return false;
    const late = (this.#late ??= { lag, now });
    const waited = now - late.now;
    return waited >= PATIENCE && lag > late.lag - waited / 2;
  }
}

/**
 * A history without the values of a record that had not processed yet: it is not known when they came.
 *
 * @param {import("../client/types.js").History} history
 * @returns {import("../client/types.js").History}
 */
export function withStamps({ pvname, timestamps, values, severities }) {
  const first = timestamps.findIndex((at) => !neverProcessed(at));
  const start = first < 0 ? timestamps.length : first;
  return { pvname, timestamps: timestamps.slice(start), values: values.slice(start), severities: severities.slice(start) };
}
