// Handles that are opened, changed and closed at random over a slow network.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PVClient } from "../../pycawamp/web/static/pycaserver.js";
import { Clock, socketClass } from "../support/harness.js";

const NAMES = ["a", "b"];
const RUNS = 2000;
const STEPS = 60;

/** Reproducible random numbers, by a linear congruential generator. */
function dice(seed) {
  let state = seed;
  const random = () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 32;
  };
  return { random, one: (list) => list[Math.floor(random() * list.length)], maybe: () => random() < 0.5 };
}

/** A connection on the gateway's side: frames on the way, and subscriptions. */
class Peer {
  subscribed = new Map();
  frames = [];

  constructor(gateway, socket) {
    this.gateway = gateway;
    this.socket = socket;
  }

  takeRequest() {
    const request = this.socket.sent.shift();
    if (!request) return;
    const { action, pv, pvs = [pv], ...options } = request;
    if (action === "connect") for (const name of pvs) this.#connect(name, options);
    if (action === "disconnect") for (const name of pvs) this.subscribed.delete(name);
  }

  #connect(name, options) {
    if (this.gateway.forbidden.has(name)) return this.#refuse(name);
    this.subscribed.set(name, options);
    if (this.gateway.values.has(name)) this.announce(name, true);
    else if (this.gateway.found.has(name)) this.announce(name, false);
  }

  #refuse(name) {
    this.frames.push({ msg_type: "error", code: "forbidden", message: "no", action: "connect", pvname: name });
  }

  /** The rules have changed. */
  end(name) {
    if (!this.subscribed.has(name)) return;
    if (this.gateway.values.has(name)) this.announce(name, false);
    this.subscribed.delete(name);
    this.#refuse(name);
  }

  announce(name, conn) {
    const options = this.subscribed.get(name);
    this.frames.push({ msg_type: "connection", pvname: name, conn });
    if (conn && options.metadata) this.frames.push({ msg_type: "metadata", pvname: name, type: "double" });
    if (conn) this.update(name);
  }

  update(name) {
    const { metadata, text } = this.subscribed.get(name);
    const value = this.gateway.values.get(name);
    this.frames.push({ msg_type: "monitor", pvname: name, value, count: 1, timestamp: value, ...(metadata && { severity: "NO_ALARM" }), ...(text && { text: String(value) }) });
  }
}

class Gateway {
  values = new Map();
  found = new Set();
  forbidden = new Set();
  peer = null;
  #counter = 100;

  change(name) {
    const appears = !this.values.has(name);
    this.values.set(name, ++this.#counter);
    this.found.add(name);
    if (!this.peer?.subscribed.has(name)) return;
    if (appears) this.peer.announce(name, true);
    else this.peer.update(name);
  }

  lose(name) {
    if (this.values.delete(name) && this.peer?.subscribed.has(name)) this.peer.announce(name, false);
  }
}

/** A handle, and the state according to its events. */
class Watched {
  value = 0;
  refused = false;
  mistakes = [];

  constructor(pv) {
    this.pv = pv;
    this.state = pv.state;
    pv.on("connection", ({ state }) => {
      this.state = state;
      if (state === "connected") this.refused = false;
    });
    pv.on("value", (update) => {
      if (this.state !== "connected" || !pv.connected) this.mistakes.push(`${update.value} while ${this.state}`);
      if (update.value < this.value) this.mistakes.push(`${update.value} after ${this.value}`);
      this.value = update.value;
    });
    pv.on("error", () => {
      this.refused = true;
    });
  }
}

class World {
  clock = new Clock();
  WebSocket = socketClass();
  gateway = new Gateway();
  handles = [];

  constructor(seed) {
    this.dice = dice(seed);
    const options = { ...this.clock.options, WebSocket: this.WebSocket, random: () => 1, batch: false, heartbeat: 0, backoff: { base: 100, cap: 100 } };
    this.client = new PVClient("ws://gateway/monitor", options);
  }

  options() {
    const { one, maybe } = this.dice;
    return { metadata: maybe(), text: maybe(), maxRate: one([Infinity, Infinity, 10, 2]) };
  }

  open() {
    if (this.handles.length < 5) this.handles.push(new Watched(this.client.pv(this.dice.one(NAMES), this.options())));
  }

  close() {
    if (this.handles.length > 0) this.handles.splice(Math.floor(this.dice.random() * this.handles.length), 1)[0].pv.close();
  }

  reconsider() {
    if (this.handles.length > 0) this.dice.one(this.handles).pv.setOptions(this.options());
  }

  change() {
    this.gateway.change(this.dice.one(NAMES));
  }

  lose() {
    this.gateway.lose(this.dice.one(NAMES));
  }

  forbid() {
    const name = this.dice.one(NAMES);
    if (this.gateway.forbidden.delete(name)) return;
    this.gateway.forbidden.add(name);
    this.gateway.peer?.end(name);
  }

  reach() {
    if (this.client.state === "waiting") this.clock.advance(100);
    if (this.client.state !== "connecting") return;
    const socket = this.WebSocket.last;
    this.gateway.peer = new Peer(this.gateway, socket);
    socket.open();
  }

  breakOff() {
    if (this.client.state !== "open") return;
    this.gateway.peer = null;
    this.WebSocket.last.fail();
  }

  deliverRequest() {
    this.gateway.peer?.takeRequest();
  }

  deliverFrame() {
    const frame = this.gateway.peer?.frames.shift();
    if (frame) this.WebSocket.last.receive(frame);
  }

  /** All frames on the way arrive as one batch, during which listeners may open more handles. */
  deliverAll() {
    const frames = this.gateway.peer?.frames.splice(0);
    if (!frames?.length) return;
    const [first] = this.handles;
    const stop = first?.pv.on("value", () => (stop(), this.open()));
    this.WebSocket.last.receive(frames);
    stop?.();
  }

  wait() {
    this.clock.advance(this.dice.one([20, 100, 500]));
  }

  async settle() {
    for (let round = 0; round < 3; round++) {
      this.reach();
      await null;
      while (this.WebSocket.last.sent.length > 0) this.deliverRequest();
      while (this.gateway.peer.frames.length > 0) this.deliverFrame();
      this.clock.advance(500);
    }
  }
}

const STEPS_OF = ["open", "open", "close", "reconsider", "change", "change", "change", "lose", "forbid", "reach", "reach", "breakOff", "deliverRequest", "deliverRequest", "deliverRequest", "deliverFrame", "deliverFrame", "deliverFrame", "deliverFrame", "deliverAll", "wait"];

function check({ handles, gateway, client }) {
  for (const { pv, state, value, refused, mistakes } of handles) {
    assert.deepEqual(mistakes, []);
    const subscribed = gateway.peer.subscribed.has(pv.name);
    if (!subscribed) assert.ok(refused && state !== "connected", `${pv.name} is not subscribed, without an error`);
    else if (!gateway.values.has(pv.name)) assert.notEqual(state, "connected");
    else assert.deepEqual([state, value, pv.last.value], ["connected", gateway.values.get(pv.name), value]);
    if (!subscribed || state !== "connected") continue;
    assert.ok(pv.last.text || !pv.options.text, "the requested text");
    assert.ok((pv.last.severity && pv.metadata) || !pv.options.metadata, "the requested metadata");
  }
  const names = new Set(handles.map(({ pv }) => pv.name));
  for (const name of gateway.peer.subscribed.keys()) assert.ok(names.has(name), `${name} is subscribed without a handle`);
  assert.equal(client.state, "open");
}

test("handles get values only while connected, in order, and finally the newest", async (t) => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const world = new World(seed);
    const done = [];
    try {
      for (let i = 0; i < STEPS; i++) {
        done.push(world.dice.one(STEPS_OF));
        world[done.at(-1)]();
        if (world.dice.maybe()) await null;
      }
      await world.settle();
      check(world);
    } catch (error) {
      t.diagnostic(`seed ${seed}: ${done.join(" ")}`);
      throw error;
    } finally {
      world.client.close();
    }
  }
});
