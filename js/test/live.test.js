// Against a real gateway with the demo's records: PYCASERVER_URL=ws://localhost:8888/monitor
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { clientFor, collect, once, until } from "../support/harness.js";

const url = process.env.PYCASERVER_URL;
const live = (name, body) => test(name, { skip: url ? false : "set PYCASERVER_URL to run", timeout: 15000 }, body);

live("a sine wave moves, with units, severity and text", async (t) => {
  const pv = clientFor(t, url).pv("demo:sine", { metadata: true, text: true });
  const metadata = once(pv, "metadata");
  const values = collect(pv, "value");
  await until(() => values.length >= 3);
  assert.equal((await metadata).type, "double");
  assert.equal(typeof values[0].value, "number");
  assert.equal(typeof values[0].text, "string");
  assert.ok(["NO_ALARM", "MINOR", "MAJOR", "INVALID"].includes(values[0].severity));
  assert.ok(Math.abs(values.at(-1).timestamp - Date.now() / 1000) < 5);
  assert.notEqual(values[0].value, values.at(-1).value);
});

live("a setpoint takes a put and shows it to another client", async (t) => {
  const mine = clientFor(t, url).pv("demo:setpoint");
  const theirs = clientFor(t, url).pv("demo:setpoint");
  const before = (await mine.get()).value;
  const target = before === 1 ? 2 : 1;
  await until(() => theirs.last !== null);
  try {
    await mine.put(target);
    assert.equal((await mine.get()).value, target);
    await until(() => theirs.last.value === target);
    await assert.rejects(mine.put("not a number"), { code: "bad_value" });
  } finally {
    await mine.put(before);
  }
});

live("a waveform is the same in all three encodings", async (t) => {
  const gw = clientFor(t, url);
  for (const arrays of ["json", "base64", "binary"]) {
    const pv = gw.pv("demo:waveform", { arrays });
    const update = await pv.get();
    assert.equal(update.value.length, update.count);
    assert.ok(update.count > 1);
    assert.equal(Array.isArray(update.value), arrays === "json");
    pv.close();
  }
});

live("an enum has its labels", async (t) => {
  const pv = clientFor(t, url).pv("demo:mode", { text: true });
  const [info, update] = await Promise.all([pv.info(), pv.get()]);
  assert.equal(info.type, "enum");
  assert.equal(update.text, info.enum_strs[update.value]);
});

live("a rate limit thins, the newest arrives", async (t) => {
  const pv = clientFor(t, url).pv("demo:sine", { maxRate: 2 });
  const values = collect(pv, "value");
  const start = Date.now();
  await until(() => values.length >= 5);
  assert.ok(Date.now() - start >= 1500, "five values at two a second take two seconds");
});

live("options of a live subscription can change", async (t) => {
  const gw = clientFor(t, url);
  const plain = gw.pv("demo:sine");
  const update = await once(plain, "value");
  assert.equal("severity" in update, false);
  const rich = gw.pv("demo:sine", { metadata: true });
  await until(() => rich.last?.severity !== undefined && rich.metadata !== null);
  rich.close();
  await until(() => plain.last.severity === undefined);
});

live("what does not exist: conn false, and not_connected", async (t) => {
  const gw = clientFor(t, url);
  const pv = gw.pv("demo:there-is-no-such-record");
  await assert.rejects(pv.get({ timeout: 3 }), (error) => ["not_connected", "timeout"].includes(error.code));
  assert.equal(pv.connected, false);
});

live("list and ping", async (t) => {
  const gw = clientFor(t, url);
  await once(gw.pv("demo:sine"), "value");
  assert.deepEqual(await gw.list(), ["demo:sine"]);
  assert.ok((await gw.ping()) < 2000);
});

live("updates are the same compressed and not (--compression)", async (t) => {
  class PlainWebSocket extends WebSocket {
    constructor(address) {
      super(address, { perMessageDeflate: false });
    }
  }
  const plain = clientFor(t, url, { WebSocket: PlainWebSocket });
  const [compressed, uncompressed] = [clientFor(t, url), plain].map((gw) =>
    collect(gw.pv("demo:waveform", { arrays: "json" }), "value"),
  );
  await until(() => compressed.length > 5 && uncompressed.length > 5);
  const shown = new Map(uncompressed.map((update) => [update.timestamp, update.value]));
  const both = compressed.filter((update) => shown.has(update.timestamp));
  assert.ok(both.length > 3);
  for (const update of both) assert.deepEqual(update.value, shown.get(update.timestamp));
});
