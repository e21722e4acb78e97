/** Formatting of IOC time stamps and durations. */

/** The EPICS epoch (1990), which is the time stamp of a record that has never processed. */
const EPICS_EPOCH = 631152000;
const DAY = 86400;

export function neverProcessed(timestamp) {
  return !(timestamp > EPICS_EPOCH + DAY);
}

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** `2024-05-01T14:03:07.250`, in UTC or in local time. */
function iso(seconds, utc) {
  const ms = Math.floor(seconds * 1000 + 1e-3);
  const date = new Date(utc ? ms : ms - new Date(ms).getTimezoneOffset() * 60000);
  return Number.isNaN(date.getTime()) ? "?" : date.toISOString().slice(0, -1);
}

/** `14:03:07.250`. */
export function timeOfDay(seconds, utc = false) {
  return iso(seconds, utc).split("T")[1] ?? "?";
}

/** `2024-05-01`. */
function dayOf(seconds, utc) {
  return iso(seconds, utc).split("T")[0];
}

/** The offset from UTC of the zone in which times are shown (s). */
export function zoneOffset(seconds, utc = false) {
  return utc ? 0 : -60 * new Date(seconds * 1000).getTimezoneOffset();
}

/** `UTC`, `UTC+2`, `UTC−3:30`: the zone in which times are shown. */
export function zoneName(seconds, utc = false) {
  const minutes = zoneOffset(seconds, utc) / 60;
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${pad(size % 60)}` : ""}`;
}

/** The time of day, preceded by the date unless it is today. */
export function stamp(seconds, now = Date.now() / 1000, utc = false) {
  if (neverProcessed(seconds)) return "never processed";
  const time = timeOfDay(seconds, utc);
  return dayOf(seconds, utc) === dayOf(now, utc) ? time : `${dayOf(seconds, utc)} ${time}`;
}

/** `2024-05-01 14:03:07.250`. */
export function fullStamp(seconds, utc = false) {
  return neverProcessed(seconds) ? "never processed" : `${dayOf(seconds, utc)} ${timeOfDay(seconds, utc)}`;
}

/** `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 2 h`: the two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < DAY) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / 3600)} h`;
}
