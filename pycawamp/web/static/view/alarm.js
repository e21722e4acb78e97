/** Alarm states as displays show them: never by colour alone. */

/** @type {Record<string, {name: string, badge: string, shape: string}>} */
const SEVERITIES = {
  NO_ALARM: { name: "ok", badge: "OK", shape: "●" },
  MINOR: { name: "minor", badge: "MINOR", shape: "▲" },
  MAJOR: { name: "major", badge: "MAJOR", shape: "◆" },
  INVALID: { name: "invalid", badge: "INVALID", shape: "✕" },
};

/** An unknown severity counts as INVALID, and a missing one (not requested) as NO_ALARM. */
export function alarmOf(update) {
  if (update?.severity === undefined) return SEVERITIES.NO_ALARM;
  return Object.hasOwn(SEVERITIES, update.severity) ? SEVERITIES[update.severity] : SEVERITIES.INVALID;
}
