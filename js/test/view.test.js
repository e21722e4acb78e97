import assert from "node:assert/strict";
import { test } from "node:test";
import { lengthWarning, limitWarning, typedList, valueFrom } from "../../pycawamp/web/static/view/entry.js";
import { alarmOf } from "../../pycawamp/web/static/view/alarm.js";
import { FORMATS, formattedText } from "../../pycawamp/web/static/view/format.js";
import { Painter } from "../../pycawamp/web/static/view/painter.js";
import { printf } from "../../pycawamp/web/static/view/printf.js";
import { exactValue, textOf } from "../../pycawamp/web/static/view/reading.js";
import { duration, neverProcessed, timeOfDay, zoneName } from "../../pycawamp/web/static/view/time.js";

// Results of C's printf.
const printed = [
  ["%d", 3.9, "3"], ["%d", -3.9, "-3"], ["%5d|", 42, "   42|"], ["%-5d|", 42, "42   |"], ["%05d", -42, "-0042"], ["%+d", 7, "+7"],
  ["%.2f", 3.14159, "3.14"], ["%f", 1, "1.000000"], ["%8.3f", -1.5, "  -1.500"],
  ["%e", 12345.678, "1.234568e+04"], ["%.1E", 0.00012, "1.2E-04"], ["%.2e", 1e100, "1.00e+100"],
  ["%g", 100000, "100000"], ["%g", 1000000, "1e+06"], ["%g", 0.0001, "0.0001"], ["%g", 0.00001, "1e-05"], ["%.3g", 3.14159, "3.14"],
  ["%g", 0, "0"], ["%g", 1.5, "1.5"], ["%#.3g", 1, "1.00"], ["%.3g", 999.9, "1e+03"], ["%.10g", 1 / 3, "0.3333333333"],
  ["%x", 255, "ff"], ["%X", 255, "FF"], ["%#x", 255, "0xff"], ["%#06x", 255, "0x00ff"], ["%o", 8, "10"],
  ["%d %%", 50, "50 %"], ["beam %.1f mA", 2, "beam 2.0 mA"], ["%.2f", NaN, "NaN"], ["%06.2f", NaN, "   NaN"], ["%d", -Infinity, "-Infinity"],
  ["%d", 10n, "10"], ["%d", 1e22, "10000000000000000000000"], ["%d", -9007199254740993n, "-9007199254740993"], ["%X", 2n ** 64n, "10000000000000000"],
  ["%.1f", 1e23, "99999999999999991611392.0"], ["%f", -1e21, "-1000000000000000000000.000000"], ["%5d|", 7n, "    7|"], ["%.2f", 5n, "5.00"], ["no directive", 1, "no directive"],
];
for (const [format, value, expected] of printed) {
  test(`printf ${format} of ${value}`, () => assert.equal(printf(format, value), expected));
}

test("%s formats the text", () => assert.equal(printf("<%6s>", 1, "on"), "<    on>"));

test("a structure is entered as an object", () => {
  assert.deepEqual(valueFrom('{"a": {"b": 1}}', { type: "structure", count: 1 }), { a: { b: 1 } });
  for (const bad of ["", "7", "[1]", "null", "{a: 1}"]) assert.throws(() => valueFrom(bad, { type: "structure", count: 1 }), RangeError, bad);
});

test("an update is shown as its text, label, number or elements", () => {
  assert.equal(textOf({ value: 1, text: "on" }), "on");
  assert.equal(textOf({ value: 1 }, { type: "enum", enum_strs: ["off", "on"] }), "on");
  assert.equal(textOf({ value: 7 }, { type: "enum", enum_strs: ["off", "on"] }), "7");
  assert.equal(textOf({ value: 1.23456 }, { type: "double", precision: 2 }), "1.23");
  assert.equal(textOf({ value: NaN }, { type: "double", precision: 2 }), "NaN");
  assert.equal(textOf({ value: [1, 2] }), "[1, 2]");
  assert.equal(textOf({ value: NaN, count: 0, text: "" }), "no value");
  assert.equal(textOf({ value: [], count: 0 }), "[]");
  assert.equal(textOf({ value: new Float64Array(20) }), "[0, 0, 0, 0, 0, 0, 0, 0, …]");
  assert.equal(textOf({ value: "<b>" }), "<b>");
});

test("an unknown severity is shown as an alarm", () => {
  assert.equal(alarmOf({ severity: "MAJOR" }).name, "major");
  assert.equal(alarmOf({ severity: "constructor" }).name, "invalid");
  assert.equal(alarmOf({}).name, "ok");
  assert.equal(alarmOf(null).name, "ok");
});

test("typed text is converted to the type of the record", () => {
  assert.equal(valueFrom("1.5", { type: "double" }), 1.5);
  assert.equal(valueFrom(" -0x1F ", { type: "long" }), -31);
  assert.equal(valueFrom("12", { type: "string" }), "12");
  assert.equal(valueFrom("on", { type: "enum", enum_strs: ["off", "on"] }), 1);
  assert.equal(valueFrom("0", { type: "enum", enum_strs: ["off", "on"] }), 0);
  assert.equal(valueFrom("a long text, really", { type: "char", count: 100 }), "a long text, really");
  assert.deepEqual(valueFrom("1, 2;3\n4", { type: "double", count: 8 }), [1, 2, 3, 4]);
  assert.equal(valueFrom("abc", null), "abc");
  assert.deepEqual([valueFrom("true", { type: "bool" }), valueFrom("false", { type: "bool" }), valueFrom("1", { type: "bool" })], [true, false, 1]);
  for (const text of ["", "  ", "1.5 V", "Infinity"]) assert.throws(() => valueFrom(text, { type: "double" }), RangeError);
});

test("typed integers beyond the range of numbers keep all digits", () => {
  assert.equal(valueFrom("9007199254740993", { type: "int64" }), 9007199254740993n);
  assert.equal(valueFrom("-9223372036854775808", { type: "int64" }), -(2n ** 63n));
  assert.equal(valueFrom("0xFFFFFFFFFFFFFFFF", { type: "uint64" }), 2n ** 64n - 1n);
  assert.equal(valueFrom("+12", { type: "int64" }), 12);
  assert.deepEqual(valueFrom("1, 18446744073709551615", { type: "uint64", count: 0 }), [1, 2n ** 64n - 1n]);
  assert.equal(valueFrom("1" + "0".repeat(23), { type: "double" }), 1e23);
  assert.throws(() => valueFrom("1.5", { type: "int64" }), RangeError);
  assert.match(limitWarning(2n ** 60n, { control_limits: [0, 5] }), /above the control limit of 5/);
});

test("integers beyond the range of numbers are shown with all digits of the text", () => {
  const [update, metadata] = [{ value: 2 ** 53, text: "9007199254740993", count: 1 }, { type: "int64" }];
  assert.equal(exactValue(update, metadata), 9007199254740993n);
  assert.equal(exactValue(update, { type: "double" }), 2 ** 53);
  assert.equal(exactValue({ ...update, text: undefined }, metadata), 2 ** 53);
  assert.equal(exactValue({ value: 5, text: "5" }, metadata), 5);
  const negative = { value: -(2 ** 63), text: "-9223372036854775807", count: 1 };
  const shown = ["record", "hex", "exponential"].map((format) => formattedText(negative, metadata, format));
  assert.deepEqual(shown, ["-9223372036854775807", "-0x7FFFFFFFFFFFFFFF", "-9.2234e18"]);
});

test("an element in quotes may contain separators", () => {
  const list = (text) => valueFrom(text, { type: "string", count: 5 });
  assert.deepEqual(list('"a b", "c"'), ["a b", "c"]);
  assert.deepEqual(list('a "b, c";"" d'), ["a", "b, c", "", "d"]);
  assert.deepEqual(list('"say \\"hi\\"", 5"'), ['say "hi"', '5"']);
  for (const text of ['"a b', '"a"b', 'a, "']) assert.throws(() => list(text), /closing quote/);
  for (const strings of [["a b", "", "[]", 'x"y', "\\", "c"], ["[]"], ["two\nlines"]]) assert.deepEqual(list(typedList(strings)), strings);
  assert.equal(typedList(["a", "b c"]), 'a, "b c"');
});

test("an empty array must be entered explicitly", () => {
  for (const type of ["string", "double"]) {
    assert.deepEqual(valueFrom(" [] ", { type, count: 5 }), []);
    for (const text of ["", " , "]) assert.throws(() => valueFrom(text, { type, count: 5 }), /Enter \[\]/);
  }
});

test("labels are matched exactly, then without surrounding spaces", () => {
  const metadata = { type: "enum", enum_strs: ["a", " a", "1", ""] };
  assert.deepEqual(["a", " a", "a ", "1", "2"].map((text) => valueFrom(text, metadata)), [0, 1, 0, 2, 2]);
});

test("a state without a label is shown as its number", () => {
  const metadata = { type: "enum", enum_strs: ["off", "", "on"] };
  assert.deepEqual([0, 1, 2, 17].map((value) => textOf({ value }, metadata)), ["off", "1", "on", "17"]);
});

test("there is a warning for values outside the control limits", () => {
  const metadata = { control_limits: [0, 10], units: "V" };
  assert.equal(limitWarning(11, metadata), "11 V is above the control limit of 10 V.");
  assert.match(limitWarning(-1, metadata), /below/);
  for (const value of [0, 10, 5, "text", [99]]) assert.equal(limitWarning(value, metadata), null);
  assert.equal(limitWarning(99, { control_limits: [0, 0] }), null);
  assert.equal(limitWarning(99, null), null);
  assert.equal(limitWarning(-99, { control_limits: [null, 10] }), null);
  assert.match(limitWarning(99, { control_limits: [null, 10] }), /above the control limit of 10\./);
});

test("durations and unset time stamps", () => {
  assert.deepEqual([12.4, 185, 7800, 352800].map(duration), ["12 s", "3 min 5 s", "2 h 10 min", "4 d 2 h"]);
  assert.equal(neverProcessed(631152000), true);
  assert.equal(neverProcessed(0), true);
  assert.equal(neverProcessed(1700000000), false);
});

test("the painter draws each item once per frame", () => {
  const frames = [];
  const painter = new Painter((draw) => frames.push(draw));
  const drawn = [];
  const items = [1, 2, 3].map((name) => ({ paint: () => drawn.push(name) }));
  for (let i = 0; i < 10; i += 1) items.forEach((item) => painter.mark(item));
  painter.forget(items[1]);
  assert.equal(frames.length, 1);
  frames[0]();
  assert.deepEqual(drawn, [1, 3]);
  painter.mark(items[0]);
  assert.equal(frames.length, 2);
});

test("a small number is not shown as zero, whatever its precision", () => {
  assert.equal(textOf({ value: 1.2e-9, text: "0.00", count: 1 }, { type: "double", precision: 2 }), "1.2e-9");
  assert.equal(textOf({ value: -0.4, text: "-0", count: 1 }, { type: "double", precision: 0 }), "-0.4");
  assert.equal(textOf({ value: 0, text: "0.00", count: 1 }, { type: "double", precision: 2 }), "0.00");
  assert.equal(textOf({ value: 3, text: "0", count: 1 }), "0");
});

test("a number is shown in the format of its row", () => {
  const written = (value, format) => formattedText({ value, count: 1 }, { type: "double", precision: 1 }, format);
  assert.deepEqual(Object.keys(FORMATS).map((format) => written(255, format)), ["255.0", "2.5500e2", "255", "0xFF", "0b11111111"]);
  assert.deepEqual([written(-16, "hex"), written(1.5, "hex"), written(NaN, "hex"), written(1 / 3, "significant")], ["-0x10", "1.5", "NaN", "0.33333333"]);
});

test("input is understood, or refused with a hint", () => {
  assert.throws(() => valueFrom("12,5", { type: "double" }), /comma.*12\.5/);
  for (const list of ["1,5 2,5", "1,5; 2", "1 2,5"]) assert.throws(() => valueFrom(list, { type: "double", count: 4 }), /one number or two/, list);
  for (const list of ["1,2,3", "1, 2 3", "1.5 2.5", "-1,-2;3"]) assert.equal(valueFrom(list, { type: "double", count: 4 }).length, list.includes("3") ? 3 : 2, list);
  assert.throws(() => valueFrom("2.5", { type: "long" }), /whole number/);
  assert.equal(valueFrom("0x10", { type: "double" }), 16);
  assert.deepEqual(valueFrom("on, 0", { type: "enum", count: 4, enum_strs: ["off", "on"] }), [1, 0]);
});

test("there is a warning if an array would change its length", () => {
  assert.equal(lengthWarning([1, 2], new Float64Array(3)), "The array has 3 elements now and would have 2.");
  assert.equal(lengthWarning([1, 2, 3], [4, 5, 6]), null);
  assert.equal(lengthWarning(5, 6), null);
});

test("times are shown in UTC on request", () => {
  assert.equal(timeOfDay(1e9 + 0.25, true), "01:46:40.250");
  assert.equal(zoneName(1e9, true), "UTC");
});
