import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, readAddress } from "../../pycawamp/web/static/console/address.js";
import { descriptionOf } from "../../pycawamp/web/static/console/descriptions.js";
import { jsonOf, layout, layoutOf, PLAIN } from "../../pycawamp/web/static/console/layout.js";

const pv = (name, format = "record", width = 0) => ({ pv: name, format, width });
const EVERYTHING = layout({
  name: "Vacuum & more",
  rate: "5",
  items: [pv("a"), { heading: "Pumps, north" }, pv("b,c", "hex"), pv("d"), { heading: "" }, { heading: "+ last" }, pv("e", "hex"), pv("f", "record", 640), pv("g", "binary", 640), pv("h", "record", 2)],
  charts: [["a", "b,c"], ["e"]],
  view: { columns: 3, compact: true, wall: true, descriptions: true, show: "severe", worst: true },
});

test("the address keeps a complete layout of any length", () => {
  for (const each of [EVERYTHING, { ...EVERYTHING, items: [...EVERYTHING.items, ...Array.from({ length: 2000 }, (_, i) => pv(`IOC:${i}`))] }]) {
    const { search, hash } = new URL(addressOf(each), "http://gateway/");
    assert.deepEqual(readAddress({ search, hash }), { layout: each, server: null });
    assert.ok(search.length < 8200);
  }
  assert.equal(addressOf(layout({ items: [pv("a"), { heading: "Pumps" }, pv("b", "hex")] })), "?pv=a&heading=Pumps&pv=b&format.hex=b");
});

test("invalid parts of an address are replaced by defaults", () => {
  const { layout: found, server } = readAddress({ search: "?layout=V&columns=99&show=nothing&wall=yes&format.none=a&width.0=a&width.x=a&width.1e9=a&pv=a&heading=" + "x".repeat(500), hash: "" });
  assert.equal(server, "V");
  assert.deepEqual(found.view, PLAIN);
  assert.deepEqual(found.items, [pv("a"), { heading: "x".repeat(100) }]);
});

test("a file keeps a complete layout", () => {
  assert.deepEqual(layoutOf(jsonOf(EVERYTHING)), EVERYTHING);
  assert.deepEqual(layoutOf('{"groups": [{"pvs": ["a", {"pv": "b"}, {"pv": "c", "width": 5}]}]}'), layout({ items: [pv("a"), pv("b"), pv("c", "record", 5)] }));
  assert.deepEqual(JSON.parse(jsonOf(layout({ items: [pv("a"), { heading: "H" }, pv("b", "hex")] }))), {
    name: "", view: {}, groups: [{ pvs: ["a"] }, { heading: "H", pvs: [{ pv: "b", format: "hex" }] }],
  });
});

test("the error about an invalid layout names what was expected", () => {
  for (const [text, words] of [
    ["{", /not JSON/], ["[]", /object with "groups"/], ["{}", /"groups" to be a list/], ['{"groups": [1]}', /each group/],
    ['{"groups": [{}]}', /"pvs" to be a list/], ['{"groups": [{"pvs": [1]}]}', /each PV/], ['{"groups": [{"pvs": [""]}]}', /not an empty string/],
    ['{"groups": [{"pvs": [{"pv": "a", "format": "roman"}]}]}', /"format" to be one of record/],
    ['{"groups": [{"pvs": [{"pv": "a", "width": 1.5}]}]}', /"width" to be a whole number from 1 to 999999/],
    ['{"groups": [{"heading": 5, "pvs": []}]}', /"heading" to be a string/], ['{"groups": [], "pvs": []}', /unknown "pvs"/],
    [`{"groups": [], "name": "${"x".repeat(101)}"}`, /"name" to be a string of at most 100/], ['{"groups": [], "rate": 5}', /"rate"/], ['{"groups": [], "view": 1}', /"view"/],
    ['{"groups": [], "charts": [5]}', /each chart to be a list/], [JSON.stringify({ groups: [], charts: Array.from({ length: 51 }, () => []) }), /at most 50 charts/],
    [JSON.stringify({ groups: [{ pvs: Array.from({ length: 20001 }, () => "a") }] }), /at most 20000/], [" ".repeat(2e6), /at most 1048576/],
  ]) assert.throws(() => layoutOf(text), words, text.slice(0, 80));
});

test("descriptions are read from the record's field DESC", () => {
  assert.deepEqual(["a:b", "a:b.HIHI", 'a.{"dbnd":{"d":0.5}}', "ca://a.VAL", "pva://a", "loc://a", "sim://sine(0,1)", "=`a.b`+1", "eq://a", ".x"].map(descriptionOf),
    ["a:b.DESC", "a:b.DESC", "a.DESC", "ca://a.DESC", "pva://a.DESC", null, null, null, null, null]);
});
