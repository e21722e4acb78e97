import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, readAddress } from "../../pycawamp/web/static/console/address.js";
import { csvOfAll, csvOfHistories, csvOfHistory, csvOfLists, fileName } from "../../pycawamp/web/static/console/export.js";
import { failureText } from "../../pycawamp/web/static/console/failure.js";
import { factsOf } from "../../pycawamp/web/static/console/facts.js";
import { History } from "../../pycawamp/web/static/plot/history.js";
import { layout, shown } from "../../pycawamp/web/static/console/layout.js";
import { namesIn } from "../../pycawamp/web/static/console/names.js";
import { statusOf } from "../../pycawamp/web/static/console/status.js";

test("names are split at spaces, commas, semicolons and line ends, without duplicates", () => {
  assert.deepEqual(namesIn(" a:b, c;d\n\te\r\na:b,,"), ["a:b", "c", "d", "e"]);
  assert.deepEqual(namesIn("  \n"), []);
  assert.deepEqual(namesIn("<img/src=x>"), ["<img/src=x>"]);
});

test("a formula extends to the end of its line, values in parentheses belong to the name", () => {
  assert.deepEqual(namesIn("a, =`b` + max(1, `c`) \r\nd"), ["a", "=`b` + max(1, `c`)", "d"]);
  assert.deepEqual(namesIn("EQ://a+1, b"), ["EQ://a+1, b"]);
  assert.deepEqual(namesIn('loc://x(1, 2),loc://s<VString>("a) b, c"); sim://sine(0, 1, 2) y'), ["loc://x(1, 2)", 'loc://s<VString>("a) b, c")', "sim://sine(0, 1, 2)", "y"]);
  assert.deepEqual(namesIn("loc://x, loc://y(1, z"), ["loc://x", "loc://y(1", "z"]);
  const items = ["=`b` + 1", "loc://x(1, 2)", 'loc://s("a, b")', "plain"].map((pv) => shown(pv));
  const search = addressOf(layout({ items }));
  assert.deepEqual(readAddress({ search, hash: "" }).layout.items, items);
});

test("a channel filter is part of its name", () => {
  assert.deepEqual(namesIn('X.{"dbnd":{"abs":1.5, "m":2}},Y'), ['X.{"dbnd":{"abs":1.5, "m":2}}', "Y"]);
  assert.deepEqual(namesIn("X.{open Y"), ["X.{open", "Y"]);
});

const addressOfNames = (names, rate = null) => addressOf(layout({ items: names.map((name) => shown(name)), rate }));
const read = (where) => {
  const { items, rate } = readAddress(where).layout;
  return { names: items.map(({ pv }) => pv), rate };
};
const roundTrip = (names, rate = null) => {
  const { search, hash } = new URL(addressOfNames(names, rate), "http://gateway/");
  return read({ search, hash });
};

test("names with separators are typed in quotes", () => {
  assert.deepEqual(namesIn('"a,b" c;"d e", "f\\"g"'), ["a,b", "c", "d e", 'f"g']);
  assert.deepEqual(namesIn('"open a, b"c'), ['"open', "a", 'b"c']);
  assert.deepEqual(namesIn('"", a'), ["a"]);
});

test("links of the page keep any names", () => {
  const parts = ["a", ",", ";", " ", '"', "\\", "{", "}", "+", "%", "&", "#", "=", "%2C", "µ", ":x"];
  let seed = 23;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 2000; round += 1) {
    const made = Array.from({ length: 1 + random(4) }, () => Array.from({ length: 1 + random(6) }, () => parts[random(parts.length)]).join(""));
    const names = [...new Set(made.filter((name) => name.trim() !== ""))];
    assert.deepEqual(roundTrip(names).names, names);
  }
});

test("a plus sign in the address is not a space", () => {
  assert.deepEqual(read({ search: "?pv=a+b:c&rate=5", hash: "" }), { names: ["a+b:c"], rate: "5" });
  assert.deepEqual(read({ search: "?pv=a%2Cb&pv=c%20d", hash: "#pv=e;f+" }).names, ["a", "b", "c", "d", "e", "f+"]);
});

test("the address keeps the list and the rate", () => {
  assert.equal(addressOfNames(["demo:sine", "b"]), "?pv=demo:sine,b");
  assert.equal(addressOfNames([]), "");
  const charts = [["a", "b c"], ["d"]];
  assert.equal(addressOf(layout({ items: [], charts })), "?chart=a,%22b%20c%22&chart=d");
  assert.deepEqual(readAddress({ search: "?pv=a&chart=a,%22b%20c%22&chart=d", hash: "" }).layout.charts, charts);
  for (const names of [["a", "b:c.VAL"], ["a&b=c#d%41+e"], ["<b>x</b>", '"quoted"'], ['X.{"dbnd":{"abs":1,"m":2}}', "Größe"]]) {
    assert.deepEqual(roundTrip(names, "5"), { names, rate: "5" });
  }
});

test("a list that is too long for a request line is put after the #", () => {
  const names = Array.from({ length: 2000 }, (_, i) => `IOC:${i}`);
  assert.match(addressOfNames(names, "1"), /^\?rate=1#pv=IOC:0,/);
  assert.deepEqual(roundTrip(names, "1"), { names, rate: "1" });
});

const watch = (state, rest = {}) => ({ pv: { state, connected: state === "connected" }, update: null, error: null, met: false, ...rest });

test("every state has its own word and shape", () => {
  const badges = [
    watch("connected", { update: { severity: "NO_ALARM" } }),
    watch("connected", { update: { severity: "MINOR", status: "HIGH" } }),
    watch("connected", { update: { severity: "MAJOR", status: "HIHI" } }),
    watch("connected", { update: { severity: "INVALID", status: "UDF" } }),
    watch("searching"),
    watch("disconnected"),
    watch("disconnected", { met: true }),
    watch("unreachable", { update: {} }),
    watch("unreachable"),
    watch("disconnected", { error: { code: "bad_name", message: "no" } }),
  ].map((each) => statusOf(each).badge);
  assert.deepEqual(badges, [
    "OK", "MINOR HIGH", "MAJOR HIHI", "INVALID UDF", "SEARCHING", "NOT FOUND", "DISCONNECTED", "STALE", "UNREACHABLE", "BAD NAME",
  ]);
});

test("facts leave out what is unknown", () => {
  const metadata = { type: "double", count: 1, units: "V", precision: 2, control_limits: [0, 10], alarm_limits: [null, null], display_limits: [0, 0], read_access: true, write_access: false, host: "ioc:5064" };
  const update = { value: 1.5, timestamp: 1000000000, severity: "MINOR", status: "LOW" };
  const facts = Object.fromEntries(factsOf({ ...watch("connected"), update, metadata }, 1000000042));
  assert.match(facts["IOC time"], /\(42 s ago\)$/);
  delete facts["IOC time"];
  assert.deepEqual(facts, {
    State: "connected", Alarm: "MINOR LOW", "Raw value": "1.5", Type: "double", Units: "V", Precision: "2",
    "Control limits": "0 … 10", Access: "read, no write", Host: "ioc:5064",
  });
  assert.deepEqual(factsOf(watch("searching"), 0), [["State", "searching: Searching; no answer yet."]]);
});

test("details of a disconnected PV have the row's word, and no current alarm", () => {
  const lost = watch("disconnected", { met: true, update: { value: 1, timestamp: 1e9, severity: "NO_ALARM", status: "" } });
  const facts = Object.fromEntries(factsOf(lost, 1e9 + 5, true));
  assert.match(facts.State, /^disconnected: /);
  assert.equal(facts.Alarm, "unknown; last seen: none");
  assert.equal(facts["IOC time"], "2001-09-09 01:46:40.000 UTC (5 s ago)");
  assert.match(Object.fromEntries(factsOf(watch("disconnected"), 0)).State, /^not found: /);
  const stateOf = (error) => Object.fromEntries(factsOf(watch("disconnected", { error }), 0)).State;
  assert.equal(stateOf({ code: "forbidden", message: "this gateway does not let you read it" }), "forbidden: You may not read this PV.");
  assert.equal(stateOf({ code: "bad_name", message: "a blank" }), "bad name: This is not a valid PV name. A blank.");
});

test("badge and footer have the same word for a state", () => {
  for (const each of [watch("searching"), watch("disconnected"), watch("disconnected", { met: true }), watch("unreachable"), watch("unreachable", { update: {} })]) {
    const { badge, word } = statusOf(each);
    assert.equal(word, badge.toLowerCase());
  }
});

test("a failed write is explained", () => {
  assert.equal(failureText({ code: "forbidden", message: "no rule" }), "Not written: you may not write this PV (no rule)");
  assert.match(failureText({ code: "timeout", message: "x" }), /^It may or may not have been written/);
  assert.equal(failureText({ code: "forbidden", message: "no rule" }, true), "Not written: you may not write this PV (no rule). Logging in may help");
  assert.equal(failureText({ code: "put_failed", message: "limits" }, true), "Not written: the IOC refused it (limits)");
  assert.equal(failureText({ code: "new_one", message: "words" }), "Not written: words");
});

test("the CSV of a chart begins with the value at its start, with complete time stamps", () => {
  const history = new History();
  for (const [time, value] of [[10, 1], [20.123456, 2.5], [21, NaN], [40, 4]]) history.push(1e9 + time, value);
  assert.equal(csvOfHistory("a,b", history, [1e9 + 15, 1e9 + 30], { units: "mm" }), [
    'time,"a,b (mm)"', "2001-09-09T01:46:50.000000Z,1", "2001-09-09T01:47:00.123456Z,2.5", "2001-09-09T01:47:01.000000Z,", "",
  ].join("\r\n"));
});

test("several PVs as CSV are in the order of their stamps", () => {
  const [a, b] = [new History(), new History()];
  for (const [time, value] of [[10, 1], [20, NaN]]) a.push(1e9 + time, value);
  for (const [time, value] of [[12, 7], [14, 8]]) b.push(1e9 + time, value);
  assert.equal(csvOfHistories([{ name: "a", history: a, units: "mm" }, { name: "b", history: b, units: "" }], [1e9 + 13, 1e9 + 30]), [
    "time,PV,value,units", "2001-09-09T01:46:50.000000Z,a,1,mm", "2001-09-09T01:46:52.000000Z,b,7,", "2001-09-09T01:46:54.000000Z,b,8,", "2001-09-09T01:47:00.000000Z,a,,mm", "",
  ].join("\r\n"));
  assert.equal(csvOfLists([{ name: "a", list: [1, 2] }, { name: "b", list: Float64Array.of(0.5) }]), "element,a,b\r\n0,1,0.5\r\n1,2,\r\n");
  assert.equal(csvOfLists([{ name: "a", list: [] }]), "element,a\r\n");
});

test("the CSV of all values escapes texts that look like formulas", () => {
  const rows = [
    { name: "a", update: { value: -1.5, text: "-1.50", units: "V", timestamp: 1e9 }, metadata: null },
    { name: "b", update: { value: '=cmd("x")', text: '=cmd("x")', timestamp: 1e9 }, metadata: null },
    { name: "c", update: { value: new Float64Array([1, 2]), timestamp: 1e9 }, metadata: null },
    { name: "d", update: null, metadata: null },
    { name: "e", update: { value: { a: 1 } }, metadata: null },
    { name: "f", update: { value: null }, metadata: null },
  ];
  assert.equal(csvOfAll(rows, () => "ok"), [
    "PV,value,text,units,state,IOC time", "a,-1.5,-1.50,V,ok,2001-09-09T01:46:40.000000Z",
    `b,"'=cmd(""x"")","'=cmd(""x"")",,ok,2001-09-09T01:46:40.000000Z`, "c,1 2,,,ok,2001-09-09T01:46:40.000000Z", "d,,,,ok,", 'e,"{""a"":1}",,,ok,', "f,null,,,ok,", "",
  ].join("\r\n"));
  assert.equal(fileName("X:a/b", 1e9, "csv"), "X_a_b 20010909T014640Z.csv");
});
