import assert from "node:assert/strict";
import { test } from "node:test";

test("the module of custom elements can be imported in Node", async () => {
  const { PVChartElement, PVValueElement } = await import("../../pycawamp/web/static/pycaserver-elements.js");
  assert.deepEqual([PVChartElement.name, PVValueElement.name], ["PVChartElement", "PVValueElement"]);
});
