/** The console's parts, put together. */
import { PVClient } from "../pycaserver.js";
import { forgetPalette } from "../plot/palette.js";
import { Painter } from "../view/painter.js";
import { duration } from "../view/time.js";
import { AddForm } from "./addform.js";
import { readAddress, writeAddress } from "./address.js";
import { Announcer } from "./announcer.js";
import { Banner } from "./banner.js";
import { ChartDrop } from "./chartdrop.js";
import { Charts } from "./charts.js";
import { GatewayClock } from "./gatewayclock.js";
import { csvOfAll, download, fileName } from "./export.js";
import { Keyboard } from "./keyboard.js";
import { PageClock } from "./pageclock.js";
import { Rate } from "./rate.js";
import { Reorder } from "./reorder.js";
import { statusOf } from "./status.js";
import { Summary } from "./summary.js";
import { Table } from "./table.js";
import { Theme } from "./theme.js";
import { Undo } from "./undo.js";
import { gatewayConfig, Welcome } from "./welcome.js";
import { Zone } from "./zone.js";

const FIGURE_MS = 100;
const TREND_MS = 250;
const SECOND_MS = 1000;
/** How far back charts reach with an archiver: ten years. */
const ARCHIVE_SECONDS = 3652 * 86400;

/** @type {(id: string) => any} of whatever kind it is in the page */
const part = (id) => document.getElementById(id);
const address = readAddress();
// Beside this page, wherever a proxy may have put it.
const gateway = new PVClient(monitorUrl());
const gatewayClock = new GatewayClock(clockChanged);
const clock = new PageClock(gatewayClock);
const painter = new Painter();
const announcer = new Announcer(part("announcer"));
const rate = new Rate(part("rate"), address.rate, rateChanged);
const table = new Table(part("rows"), { gateway, clock, painter, rate: rate.perSecond, changed: listChanged, removed });
const charts = new Charts(part("charts"), {
  gateway, clock, painter, announcer,
  rate: () => rate.perSecond,
  known: (name) => table.watchOf(name),
  changed: addressChanged,
});
const undo = new Undo(part("undo"));
const welcome = new Welcome(part("welcome"), add);
const summary = new Summary(part("counts"), part("traffic"), table);
const banner = new Banner(part("banner"), gateway, clock, { announcer, resume: togglePause });
const addForm = new AddForm(part("add"), add);

new Reorder(part("rows"), table);
new ChartDrop(part("rows"), table, charts, part("chart-zone"));
part("rows").addEventListener("tochart", ({ detail }) => charts.add(detail));
new Theme(part("theme"), () => {
  forgetPalette();
  table.repaint();
  charts.tick();
});
new Zone(part("zone"), part("time-heading"), clock, () => {
  table.repaint();
  banner.paint();
});
new Keyboard(part("rows"), table, announcer, { "/": () => addForm.focus(), p: togglePause, "?": showHelp });

part("pause").addEventListener("click", togglePause);
part("clear").addEventListener("click", () => table.clear());
part("export").addEventListener("click", exportValues);
part("help-button").addEventListener("click", showHelp);
window.addEventListener("online", () => gateway.reconnect());
document.addEventListener("visibilitychange", () => document.hidden || table.repaint());
// A computer that slept, or whose clock was set, connects anew.
gateway.on("open", ({ reconnected }) => reconnected && gatewayClock.measure());

every(FIGURE_MS, () => {
  table.tickFigures();
  charts.tick();
});
every(TREND_MS, () => table.tick());
every(SECOND_MS, () => {
  banner.paint();
  summary.paint();
  table.tickDetails();
});

add(address.names);
charts.open(address.charts);
listChanged();
banner.paint();
gatewayConfig(gatewayClock).then(({ demo, version, history, archiver }) => {
  clock.reach = archiver ? ARCHIVE_SECONDS : Math.max(clock.reach, history);
  clock.archived = archiver;
  part("version").textContent = version ? `pycaserver ${version}` : "pycaserver";
  welcome.offer(demo);
});

function add(names) {
  const added = table.add(names);
  if (added.length > 0) announcer.say(`${added.length === 1 ? added[0] : `${added.length} PVs`} added`);
  else if (names.length > 0) announcer.say("Already in the table");
}

function listChanged() {
  const { names } = table;
  addressChanged();
  welcome.show(names.length === 0);
  part("table").hidden = names.length === 0;
  part("clear").disabled = part("export").disabled = names.length === 0;
  document.title = names.length === 0 ? "pycaserver" : `${names.slice(0, 3).join(", ")}${names.length > 3 ? " …" : ""} · pycaserver`;
  summary.paint();
}

function rateChanged() {
  table.setRate(rate.perSecond);
  charts.setRate(rate.perSecond);
  addressChanged();
}

function addressChanged() {
  writeAddress(table.names, rate.mention, charts.names);
}

function togglePause() {
  if (clock.paused) clock.resume();
  else clock.pause();
  table.freeze(clock.paused);
  charts.freeze(clock.paused);
  part("pause").setAttribute("aria-pressed", String(clock.paused));
  part("pause").textContent = clock.paused ? "Resume" : "Pause";
  announcer.say(clock.paused ? "Paused" : "Resumed");
  banner.paint();
}

function removed(gone, before) {
  const what = gone.length === 1 ? gone[0] : `${gone.length} PVs`;
  undo.offer(`${what} removed.`, () => table.restore(gone, before));
}

function exportValues() {
  const text = csvOfAll(table.rows.map((row) => row.watch), (watch) => statusOf(watch).word);
  download(fileName("pycaserver", clock.now(), "csv"), new Blob([text], { type: "text/csv" }));
}

/** All times on the page are the gateway's: that is said where it matters. */
function clockChanged() {
  const seconds = gatewayClock.offset / 1000;
  part("clock").textContent = seconds === 0 ? "" : `This computer's clock is ${duration(Math.abs(seconds))} ${seconds > 0 ? "behind" : "ahead of"} the gateway's.`;
  table.clockChanged();
}

function showHelp() {
  part("help").showModal();
}

/** Drawing waits for whoever looks. */
function every(ms, act) {
  setInterval(() => document.hidden || act(), ms);
}

function monitorUrl() {
  const url = new URL("monitor", document.baseURI.replace(/[?#].*/, ""));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
