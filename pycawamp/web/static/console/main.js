/** Creates and connects the parts of the console. */
import { PVClient } from "../pycaserver.js";
import { forgetPalette } from "../plot/palette.js";
import { Painter } from "../view/painter.js";
import { duration } from "../view/time.js";
import { Account } from "./account.js";
import { Acknowledged } from "./acknowledged.js";
import { AddForm } from "./addform.js";
import { readAddress } from "./address.js";
import { AlarmPanel } from "./alarmpanel.js";
import { Alarms } from "./alarms.js";
import { Announcer } from "./announcer.js";
import { Arrangement } from "./arrangement.js";
import { Banner } from "./banner.js";
import { ChartDrop } from "./chartdrop.js";
import { Charts } from "./charts.js";
import { rank } from "./condition.js";
import { CurrentLayout } from "./currentlayout.js";
import { Descriptions } from "./descriptions.js";
import { Disclosure } from "./disclosure.js";
import { GatewayClock } from "./gatewayclock.js";
import { gatewayUrl } from "./gatewayurl.js";
import { csvOfAll, download, fileName } from "./export.js";
import { Keyboard } from "./keyboard.js";
import { NONE_SHOWN } from "./layout.js";
import { LayoutPanel } from "./layoutpanel.js";
import { PageClock } from "./pageclock.js";
import { Rate } from "./rate.js";
import { Reorder } from "./reorder.js";
import { Sound } from "./sound.js";
import { statusOf } from "./status.js";
import { Suggestions } from "./suggestions.js";
import { Summary } from "./summary.js";
import { Table } from "./table.js";
import { TabTitle } from "./tabtitle.js";
import { Theme } from "./theme.js";
import { Undo } from "./undo.js";
import { Wall } from "./wall.js";
import { gatewayConfig, Welcome } from "./welcome.js";
import { Zone } from "./zone.js";

const FIGURE_MS = 100;
const TREND_MS = 250;
const SECOND_MS = 1000;
/** Maximum range of charts with an archiver: ten years. */
const ARCHIVE_SECONDS = 3652 * 86400;

/** @type {(id: string) => any} an element of any type */
const part = (id) => document.getElementById(id);
const address = readAddress();
const gateway = new PVClient(monitorUrl());
const gatewayClock = new GatewayClock(clockChanged);
const clock = new PageClock(gatewayClock);
const painter = new Painter();
const announcer = new Announcer(part("announcer"));
const rate = new Rate(part("rate"), address.layout.rate, rateChanged);
const alarms = new Alarms(() => clock.live(), alarmChanged);
const table = new Table(part("rows"), {
  gateway, clock, painter, rate: rate.perSecond, changed: listChanged, removed,
  news: (watch) => alarms.note(watch), dropped: (row) => alarms.forget(row.watch.name),
});
const charts = new Charts(part("charts"), {
  gateway, clock, painter, announcer,
  rate: () => rate.perSecond,
  known: (name) => table.rowNamed(name)?.watch,
  changed: () => {
    current.write();
    welcome.show(isEmpty());
  },
  removed: (names) => undo.offer("Chart removed.", () => charts.open([names])),
});
const account = (table.account = new Account(part("account"), part("account-panel"), table));
const acknowledged = new Acknowledged(paintAlarms);
const alarmPanel = new AlarmPanel(part("alarms"), { alarms, acknowledged, clock, reveal, changed: paintAlarms });
const sound = new Sound(part("sound"), part("sound-note"));
const tab = new TabTitle(/** @type {HTMLLinkElement} */ (document.querySelector('link[rel="icon"]')));
const arrangement = new Arrangement(part("rows"), table, { alarms, isNew: (state) => alarmPanel.isNew(state), noteHidden: hiddenRows });
const descriptions = new Descriptions(gateway, table);
const current = new CurrentLayout({ table, rate, charts }, applyView);
const layoutPanel = new LayoutPanel(part("layouts"), current, { open: openLayout, addHeading, reveal: () => part("layouts").hidden && panels.layouts.toggle(true) });
const wall = new Wall(part("leave-wall"), () => current.change({ wall: false }));
const panels = {
  account: new Disclosure(part("account"), part("account-panel"), () => account.paint()),
  layouts: new Disclosure(part("layout-button"), part("layouts"), () => layoutPanel.shown()),
  alarms: new Disclosure(part("alarm-button"), part("alarms"), () => alarmPanel.paint()),
};
const undo = new Undo(part("undo"));
const welcome = new Welcome(part("welcome"), add);
const summary = new Summary(part("counts"), part("traffic"), table);
const banner = new Banner(part("banner"), gateway, clock, { announcer, resume: togglePause });
// Before the form, since Enter chooses a suggested name.
const suggestions = new Suggestions(part("add").elements.names, part("suggestions"), announcer);
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
new Keyboard(part("rows"), table, announcer, { "/": () => addForm.focus(), p: togglePause, "?": showHelp, a: () => panels.alarms.toggle(), l: () => panels.layouts.toggle() });

part("pause").addEventListener("click", togglePause);
part("clear").addEventListener("click", () => table.clear());
part("export").addEventListener("click", exportValues);
part("hidden-rows").querySelector("button").addEventListener("click", () => current.change({ show: "all" }));
part("help-button").addEventListener("click", showHelp);
window.addEventListener("online", () => gateway.reconnect());
document.addEventListener("visibilitychange", () => document.hidden || table.repaint());
// After a computer slept, or its clock was set, the page reconnects.
gateway.on("open", ({ reconnected }) => reconnected && gatewayClock.measure());

let isTabDue = false;
// Also while the page is hidden.
gateway.on("close", paintTab);
gateway.on("open", paintTab);

every(FIGURE_MS, () => {
  table.tickFigures();
  charts.passed();
});
every(TREND_MS, () => table.tick());
every(SECOND_MS, () => {
  banner.paint();
  summary.paint();
  table.tickDetails();
  charts.tick();
  paintAlarms();
  descriptions.update();
});

if (address.server === null) current.show(address.layout);
else layoutPanel.openFromGateway(address.server).then((isShown) => isShown || current.show(address.layout));
banner.paint();
gatewayConfig(gatewayClock).then(({ demo, version, layouts, names, history: kept, archiver, ...about }) => {
  clock.reach = archiver ? ARCHIVE_SECONDS : Math.max(clock.reach, kept);
  clock.archived = archiver;
  part("version").textContent = version ? `pycaserver ${version}` : "pycaserver";
  welcome.offer(demo);
  account.learn(about);
  if (names) suggestions.offer();
  if (layouts) layoutPanel.offerFolder().then((found) => welcome.offerLayouts(found, (name) => layoutPanel.openFromGateway(name)));
});

function add(names) {
  const added = table.add(names);
  if (added.length > 0) announcer.announce(`${added.length === 1 ? added[0] : `${added.length} PVs`} added`);
  else if (names.length > 0) announcer.announce("Already in the table");
}

function listChanged() {
  const { names, listed } = table;
  current.write();
  welcome.show(isEmpty());
  part("table").hidden = listed.length === 0;
  part("clear").disabled = part("export").disabled = listed.length === 0;
  tab.list(current.name, names);
  part("layout-name").textContent = current.name;
  part("layout-name").hidden = current.name === "" || listed.length === 0;
  summary.paint();
}

function isEmpty() {
  return table.listed.length === 0 && charts.names.length === 0;
}

function rateChanged() {
  table.setRate(rate.perSecond);
  charts.setRate(rate.perSecond);
  current.write();
}

function applyView() {
  const { view } = current;
  part("table").dataset.columns = view.columns;
  document.body.classList.toggle("compact", view.compact);
  document.body.classList.toggle("described", view.descriptions);
  wall.set(view.wall);
  descriptions.set(view.descriptions);
  arrangement.set(view);
  layoutPanel.paint();
  listChanged();
}

/** Replaces the current layout, which can be undone. */
function openLayout(layout, source) {
  const before = current.value;
  replaceLayout(layout, source);
  announcer.announce(`Layout ${layout.name}: ${table.size} PVs`);
  if (before.items.length > 0) undo.offer(`Layout ${layout.name} opened.`, () => replaceLayout(before));
}

function replaceLayout(layout, source = "") {
  table.clear();
  charts.clear();
  current.show(layout, source);
}

function addHeading() {
  const [heading] = table.addItems([{ heading: "" }]);
  heading.field.focus();
}

function alarmChanged(name, { level }, before) {
  if (level === "ok") acknowledged.drop(name);
  else if (rank(level) > rank(before) && !acknowledged.has(name, level)) sound.play(level);
  // Once for all updates of a message, also while the page is hidden.
  if (!isTabDue) queueMicrotask(paintTab);
  isTabDue = true;
}

function paintTab() {
  isTabDue = false;
  const { worst, count } = alarms;
  tab.alarms(worst, count, gateway.staleSince !== null);
  part("alarm-button").textContent = worst ? `Alarms ${worst.condition.shape} ${count}` : "Alarms";
}

function paintAlarms() {
  paintTab();
  alarmPanel.paint();
  arrangement.update();
}

function reveal(name) {
  const row = table.rowNamed(name);
  if (!row) return;
  if (row.element.hidden) current.change({ show: "all" });
  row.element.scrollIntoView({ block: "center" });
  row.toggle.focus();
}

function hiddenRows(count) {
  const isNone = count === table.size;
  part("hidden-rows").hidden = count === 0;
  part("hidden-rows").classList.toggle("none", isNone);
  part("hidden-rows").firstElementChild.textContent = isNone ? NONE_SHOWN[current.view.show] : `${table.size - count} of ${table.size} PVs are shown.`;
}

function togglePause() {
  if (clock.paused) clock.resume();
  else clock.pause();
  table.freeze(clock.paused);
  charts.freeze(clock.paused);
  part("pause").setAttribute("aria-pressed", String(clock.paused));
  part("pause").textContent = clock.paused ? "Resume" : "Pause";
  announcer.announce(clock.paused ? "Paused" : "Resumed");
  banner.paint();
}

/** @param {import("./table.js").Kept[]} gone */
function removed(gone, before) {
  const what = gone.length > 1 ? `${gone.length} rows` : "pv" in gone[0] ? gone[0].pv : "Heading";
  undo.offer(`${what} removed.`, () => table.restore(gone, before));
}

function exportValues() {
  const text = csvOfAll(table.rows.map((row) => row.watch), (watch) => statusOf(watch).word);
  download(fileName("pycaserver", clock.now(), "csv"), new Blob([text], { type: "text/csv" }));
}

/** Shows times of the gateway's clock everywhere on the page. */
function clockChanged() {
  const seconds = gatewayClock.offset / 1000;
  part("clock").textContent = seconds === 0 ? "" : `This computer's clock is ${duration(Math.abs(seconds))} ${seconds > 0 ? "behind" : "ahead of"} the gateway's.`;
  table.clockChanged();
  charts.clockChanged();
}

function showHelp() {
  part("help").showModal();
  // The focus is on the button at the end, to which the dialog has scrolled.
  part("help").scrollTop = 0;
}

/** Painting is delayed until the page is visible. */
function every(ms, act) {
  setInterval(() => document.hidden || act(), ms);
}

function monitorUrl() {
  const url = gatewayUrl("monitor");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
