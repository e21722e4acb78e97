// Runs cs-web-lib's connection to PVWS: commands are JSON lines on stdin, and events are written as JSON
// lines to stdout. The first argument is the gateway's host:port.
"use strict";

const { readFileSync } = require("node:fs");
const Module = require("node:module");
const { dirname } = require("node:path");
const { createInterface } = require("node:readline");
const { JSDOM } = require("jsdom");
const WebSocket = require("ws");

const NAMES = ["PvwsPlugin", "mergeDType"];

// The library is a single file for browsers, which accesses the page when it is loaded, and does not export
// its connection.
function load() {
  const page = new JSDOM("<!doctype html>", { url: "http://localhost/", pretendToBeVisual: true }).window;
  page.URL.createObjectURL = () => "blob:none";
  for (const name of Object.getOwnPropertyNames(page)) {
    if (/^[A-Z].*(Element|Node|Event|Observer|Parser|Serializer)$/.test(name)) globalThis[name] = page[name];
  }
  Object.assign(globalThis, { window: page, self: page, document: page.document, WebSocket });
  Object.defineProperty(globalThis, "navigator", { value: page.navigator, configurable: true });
  for (const name of ["PROFILER_ENABLED", "PVWS_SOCKET", "PVWS_SSL", "THROTTLE_PERIOD"]) {
    process.env[`VITE_${name}`] = "false";
  }
  const file = require.resolve("@diamondlightsource/cs-web-lib");
  const library = new Module(file, module);
  library.filename = file;
  library.paths = Module._nodeModulePaths(dirname(file));
  const exported = NAMES.map((name) => `\nexports.${name} = ${name};`).join("");
  library._compile(readFileSync(file, "utf8") + exported, file);
  return library.exports;
}

function report(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const { PvwsPlugin, mergeDType } = load();
const connection = new PvwsPlugin(process.argv[2], false);
connection.reconnect_ms = 500;
const values = {};

function valueChanged(pv, update) {
  const value = (values[pv] = mergeDType(values[pv], update));
  report({
    received: "value",
    pv,
    text: value.value.stringValue,
    number: value.value.doubleValue,
    array: value.value.arrayValue && Array.from(value.value.arrayValue),
    alarm: value.alarm?.quality,
    units: value.display?.units,
    choices: value.display?.choices,
  });
}

connection.connect((pv, state) => report({ received: "connection", pv, ...state }), valueChanged);
connection.subscribe("sim://flipflop(29.929)");

const COMMANDS = {
  subscribe: ({ pv }) => connection.subscribe(pv),
  unsubscribe: ({ pv }) => connection.unsubscribe(pv),
  put: ({ pv, value }) => connection.putPv(pv, { value }),
};
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    COMMANDS[command.do](command);
  })
  .on("close", () => process.exit(0));
