/** IOC time stamps and durations as people read them. */

/** EPICS counts from 1990; a record that never processed bears that moment. */
const EPICS_EPOCH = 631152000;
const DAY = 86400;

export function neverProcessed(timestamp) {
  return !(timestamp > EPICS_EPOCH + DAY);
}

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** `14:03:07.250`, by the clock of whoever looks. */
export function timeOfDay(seconds) {
  const date = new Date(seconds * 1000);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}

/** `2024-05-01`. */
function dayOf(seconds) {
  const date = new Date(seconds * 1000);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** The time of day for today's, the day before it for others. */
export function stamp(seconds, now = Date.now() / 1000) {
  if (neverProcessed(seconds)) return "never processed";
  const time = timeOfDay(seconds);
  return dayOf(seconds) === dayOf(now) ? time : `${dayOf(seconds)} ${time}`;
}

/** `2024-05-01 14:03:07.250`. */
export function fullStamp(seconds) {
  return neverProcessed(seconds) ? "never processed" : `${dayOf(seconds)} ${timeOfDay(seconds)}`;
}

/** `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 2 h`: the two parts that matter. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < DAY) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / 3600)} h`;
}
