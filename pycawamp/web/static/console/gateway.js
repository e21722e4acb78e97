/** The status page of the gateway: requests a report every few seconds, and shows it as tables. */

import { el } from "./dom.js";

const INTERVAL = 5000; // milliseconds between two requests
/** @type {any} */
const form = document.getElementById("search");
let timer = 0;
let shown = 0;

/** @param {string} id of an element of the page */
function part(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @param {string} id @param {string} title @param {string[]} names @param {any[]} rows */
function table(id, title, names, rows) {
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, name)));
  const lines = rows.map((row) => el("tr", {}, ...names.map((name) => el("td", {}, text(row[name])))));
  part(id).replaceChildren(
    el("h2", {}, title),
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...lines)),
  );
}

/** @param {any} value */
function text(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(text).join("; ");
  return typeof value === "object" ? Object.entries(value).map(([key, each]) => `${key} ${text(each)}`).join(", ") : String(value);
}

/** @param {string} title @param {string} id @param {object} facts */
function list(id, title, facts) {
  const rows = Object.entries(facts).filter(([, value]) => text(value) !== "").map(([name, value]) => ({ name, value }));
  table(id, title, ["name", "value"], rows);
}

/** @param {any} report */
function show(report) {
  const { clients, channels, iocs, pv, ...facts } = report;
  list("facts", "Gateway", facts);
  table("iocs", `IOCs (${iocs.length})`, ["host", "channels", "connected", "lag"], iocs);
  const some = (all, found) => (found.length < all ? `${found.length} of ${all}` : all);
  const about = ["name", "state", "since", "subscribers", "type", "host", "age", "rate"];
  table("channels", `Channels (${some(report.channels_found, channels)})`, about, channels);
  const who = ["address", "user", "since", "transport", "pvs", "queued", "conflated", "sent", "rate"];
  table("clients", `Clients (${some(report.clients_found, clients)})`, who, clients);
  part("pv").hidden = !pv;
  if (pv) list("pv", pv.name, pv);
}

async function refresh() {
  clearTimeout(timer);
  const request = ++shown;
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, String(value));
  let problem = "";
  try {
    const reply = await fetch(`status?${query}`, { headers: { Accept: "application/json" } });
    if (!reply.ok) throw new Error(await reply.text());
    const report = await reply.json();
    if (request === shown) show(report);
  } catch (error) {
    problem = `No report: ${error.message}`;
  }
  if (request !== shown) return;
  part("problem").textContent = problem;
  timer = setTimeout(refresh, INTERVAL);
}

for (const [name, value] of new URLSearchParams(location.search)) {
  const field = form.elements.namedItem(name);
  if (field) field.value = value;
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
form.addEventListener("input", refresh);
refresh();
