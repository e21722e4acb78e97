/** A watch's state in the words and shapes of the table. */
import { alarmOf } from "../view/alarm.js";

const WAITING = {
  searching: { name: "searching", shape: "◌", badge: "SEARCHING", hint: "Searching; no answer yet." },
  unreachable: { name: "stale", shape: "⊘", badge: "STALE", hint: "The gateway is unreachable. This is the last known value." },
  unasked: { name: "stale", shape: "⊘", badge: "UNREACHABLE", hint: "The gateway is unreachable." },
  lost: { name: "disconnected", shape: "⊘", badge: "DISCONNECTED", hint: "The IOC is disconnected. This is the last known value." },
  unknown: { name: "disconnected", shape: "◌", badge: "NOT FOUND", hint: "No IOC has answered. The search continues." },
};

/** @returns {{name: string, shape: string, badge: string, hint: string}} */
export function statusOf(watch) {
  if (watch.error && !watch.pv.connected) return refusal(watch.error);
  if (watch.pv.connected) return alarm(watch.update);
  if (watch.pv.state === "disconnected") return watch.met ? WAITING.lost : WAITING.unknown;
  if (watch.pv.state === "unreachable") return watch.update ? WAITING.unreachable : WAITING.unasked;
  return WAITING.searching;
}

function refusal(error) {
  return { name: "invalid", shape: "✕", badge: error.code.replaceAll("_", " ").toUpperCase(), hint: error.message };
}

function alarm(update) {
  const { name, shape, badge } = alarmOf(update);
  const status = name === "ok" || !update?.status ? "" : update.status;
  return { name, shape, badge: status ? `${badge} ${status}` : badge, hint: status ? `Alarm: ${badge}, ${status}` : "No alarm" };
}
