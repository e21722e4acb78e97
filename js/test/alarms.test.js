import assert from "node:assert/strict";
import { test } from "node:test";
import { Alarms } from "../../pycawamp/web/static/console/alarms.js";
import { csvOfChanges } from "../../pycawamp/web/static/console/export.js";

const update = (severity, timestamp, status = "") => ({ severity, status, timestamp, value: 1, text: "1.00", count: 1 });

function pvNamed(name) {
  const watch = { name, met: false, error: null, metadata: null, format: "record", pv: { state: "searching", connected: false, last: null } };
  watch.become = (state, last = watch.pv.last) => {
    watch.met ||= state === "connected";
    Object.assign(watch.pv, { state, connected: state === "connected", last });
  };
  return watch;
}

function following() {
  const changes = [];
  const alarms = new Alarms(() => 1000, (name, { level }, before) => changes.push(`${name} ${before}>${level}`));
  return { alarms, changes };
}

test("an alarm begins at the IOC's time, and the first one may have begun before", () => {
  const { alarms, changes } = following();
  const pv = pvNamed("a");
  alarms.note(pv);
  assert.equal(alarms.count, 0);
  pv.become("connected", update("MINOR", 500e7, "HIGH"));
  alarms.note(pv);
  assert.deepEqual(alarms.active.map(({ since, isOlder, condition }) => [since, isOlder, condition.text]), [[500e7, true, "MINOR HIGH"]]);
  pv.become("connected", update("MAJOR", 600e7, "HIHI"));
  alarms.note(pv);
  pv.become("connected", update("MAJOR", 700e7, "HIHI"));
  alarms.note(pv);
  assert.deepEqual(alarms.active.map(({ since, isOlder, condition }) => [since, isOlder, condition.text]), [[600e7, false, "MAJOR HIHI"]]);
  pv.become("connected", update("NO_ALARM", 800e7));
  alarms.note(pv);
  assert.equal(alarms.count, 0);
  assert.deepEqual(changes, ["a ok>minor", "a minor>major", "a major>ok"]);
  assert.deepEqual(alarms.changes.map(({ time, condition }) => [time, condition.text]), [[500e7, "MINOR HIGH"], [600e7, "MAJOR HIHI"], [800e7, "OK"]]);
});

test("a disconnected PV is in alarm, an unreachable gateway changes nothing", () => {
  const { alarms } = following();
  const [lost, absent] = [pvNamed("lost"), pvNamed("absent")];
  lost.become("connected", update("NO_ALARM", 500e7));
  alarms.note(lost);
  assert.equal(alarms.changes.length, 0);
  lost.become("unreachable");
  alarms.note(lost);
  assert.equal(alarms.count, 0);
  lost.become("disconnected");
  absent.become("disconnected");
  for (const pv of [lost, absent]) alarms.note(pv);
  assert.deepEqual(alarms.active.map(({ condition, since }) => [condition.text, since]).sort(), [["DISCONNECTED", 1000], ["NOT FOUND", 1000]]);
  lost.become("connected", null);
  alarms.note(lost);
  assert.equal(alarms.level("lost"), "disconnected");
  lost.become("connected", update("NO_ALARM", 900e7));
  alarms.note(lost);
  assert.equal(alarms.level("lost"), "ok");
  alarms.forget("absent");
  assert.equal(alarms.worst, undefined);
});

test("alarms are sorted by severity, then the newest first", () => {
  const { alarms } = following();
  [["a", "MINOR", 1e9], ["b", "INVALID", 1e9], ["c", "MINOR", 2e9], ["d", "MAJOR", 1e9], ["e", "NO_ALARM", 1e9]].forEach(([name, severity, time]) => {
    const pv = pvNamed(name);
    pv.become("connected", update(severity, time));
    alarms.note(pv);
  });
  assert.deepEqual(alarms.active.map(({ watch }) => watch.name), ["b", "d", "c", "a"]);
  assert.equal(alarms.worst.watch.name, "b");
});

test("the log keeps the newest changes only, and can be saved", () => {
  const { alarms } = following();
  const pv = pvNamed("=a");
  for (let i = 0; i < 5000; i += 1) {
    pv.become("connected", update(i % 2 ? "MAJOR" : "MINOR", 1e9 + i, "HIGH"));
    alarms.note(pv);
    assert.ok(alarms.changes.length <= 2000);
  }
  assert.ok(alarms.changes.length >= 1000);
  assert.equal(alarms.changes.at(-1).time, 1e9 + 4999);
  assert.equal(csvOfChanges(alarms.changes.slice(-1)), "time,PV,state,value\r\n2001-09-09T03:09:59.000000Z,'=a,MAJOR HIGH,1.00\r\n");
});
