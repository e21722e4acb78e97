/** The state of a watch as a word and a shape, which are the same everywhere. */
import { alarmOf } from "../view/alarm.js";

const WAITING = {
  searching: { name: "searching", shape: "◌", badge: "SEARCHING", hint: "Searching; no answer yet." },
  stale: { name: "stale", shape: "⊘", badge: "STALE", hint: "The gateway is unreachable. This is the last known value." },
  unreachable: { name: "stale", shape: "⊘", badge: "UNREACHABLE", hint: "The gateway is unreachable." },
  disconnected: { name: "disconnected", shape: "⊘", badge: "DISCONNECTED", hint: "The IOC is disconnected. This is the last known value." },
  unknown: { name: "disconnected", shape: "◌", badge: "NOT FOUND", hint: "No IOC answers. The search continues." },
};
/** Titles of the gateway's errors, and hints. With "whole", the gateway's message is not shown. */
const REFUSALS = {
  forbidden: { badge: "FORBIDDEN", hint: "You may not read this PV.", whole: true },
  unauthenticated: { badge: "FORBIDDEN", hint: "You must log in to read this PV.", whole: true },
  too_many_pvs: { badge: "TOO MANY PVS", hint: "The limit of PVs per page or computer is reached. Remove some." },
  bad_name: { badge: "BAD NAME", hint: "This is not a valid PV name." },
  rate_limited: { badge: "RATE LIMITED", hint: "Too many requests in a short time. Remove the PV and add it again." },
};
/** States of alarms. They are counted by the word, regardless of their status. */
const WORDS = { ok: "ok", minor: "minor", major: "major", invalid: "invalid" };

/** @returns {{name: string, shape: string, badge: string, word: string, hint: string}} */
export function statusOf(watch) {
  const { pv, update } = watch;
  if (pv.connected) return alarm(update);
  const status = watch.error ? refusal(watch.error) : WAITING[waiting(watch)];
  return { ...status, word: status.badge.toLowerCase() };
}

function waiting({ pv, met, update }) {
  if (pv.state === "disconnected") return met ? "disconnected" : "unknown";
  if (pv.state === "unreachable") return update ? "stale" : "unreachable";
  return "searching";
}

function refusal({ code, message }) {
  const { badge, hint, whole } = Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : { badge: code.replaceAll("_", " ").toUpperCase(), hint: "", whole: false };
  return { name: "invalid", shape: "✕", badge, hint: whole ? hint : `${hint} ${sentence(message)}`.trim() };
}

function sentence(text) {
  return text === "" ? "" : `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

function alarm(update) {
  const { name, shape, badge } = alarmOf(update);
  const status = name === "ok" || !update?.status ? "" : update.status;
  return { name, shape, badge: status ? `${badge} ${status}` : badge, word: WORDS[name], hint: status ? `Alarm: ${badge}, ${status}` : "No alarm" };
}
