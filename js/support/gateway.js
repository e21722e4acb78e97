// A small gateway for tests: it implements the native protocol, keeps records in memory,
// stores the requests that it receives, and misbehaves on request.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { binaryFrame, inBase64 } from "./encode.js";

export class FakeGateway {
  /** Every request of every client, in order. */
  requests = [];
  /** The same as received texts. */
  texts = [];
  records = new Map();
  #clients = new Set();
  #http;
  #port = 0;

  constructor({ handler } = {}) {
    this.handler = handler;
  }

  get url() {
    return `ws://127.0.0.1:${this.#port}/monitor`;
  }

  get clients() {
    return this.#clients.size;
  }

  /** @param {object} [record] `type, meta, severity, text, put` in addition to the value */
  add(name, value, record = {}) {
    this.records.set(name, { value, type: "double", connected: true, timestamp: 1700000000.25, ...record });
    return this;
  }

  async start(port = this.#port) {
    this.#http = createServer(this.handler);
    new WebSocketServer({ server: this.#http, path: "/monitor" }).on("connection", (socket) => this.#join(socket));
    await new Promise((resolve) => this.#http.listen(port, "127.0.0.1", resolve));
    this.#port = this.#http.address().port;
    return this;
  }

  async stop() {
    this.drop();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  drop() {
    for (const client of this.#clients) client.socket.terminate();
    this.#clients.clear();
  }

  /** Changes a record and updates its subscribers. */
  post(name, value, changes = {}) {
    const record = Object.assign(this.records.get(name), { value, timestamp: Date.now() / 1000 }, changes);
    for (const client of this.#clients) {
      const options = client.subscribed.get(name);
      if (options) client.monitor(name, record, options);
    }
  }

  setConnected(name, connected) {
    this.records.get(name).connected = connected;
    for (const client of this.#clients) if (client.subscribed.has(name)) client.announce(name, this.records.get(name));
  }

  /** Sends text, bytes or a message to all clients. */
  send(data) {
    const frame = typeof data === "string" || ArrayBuffer.isView(data) ? data : JSON.stringify(data);
    for (const client of this.#clients) client.socket.send(frame);
  }

  subscribers(name) {
    return [...this.#clients].filter((client) => client.subscribed.has(name)).length;
  }

  #join(socket) {
    const client = new Client(socket, this);
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    socket.on("message", (data) => {
      this.texts.push(String(data));
      client.receive(JSON.parse(data));
    });
  }
}

class Client {
  subscribed = new Map();
  #defaults = {};
  #burst = null;
  #lastSent = new Map();

  constructor(socket, gateway) {
    this.socket = socket;
    this.gateway = gateway;
  }

  receive(request) {
    this.gateway.requests.push(request);
    const { action, id, pv, pvs = [pv], ...keys } = request;
    const handle = this[`on_${action}`];
    if (!handle) return this.send({ msg_type: "error", code: "unknown_action", message: `no ${action}`, action, id });
    handle.call(this, pvs, keys, id, pv);
  }

  on_configure(_pvs, options, id) {
    Object.assign(this.#defaults, options);
    this.send({ msg_type: "configured", ...this.#defaults, id });
  }

  on_connect(pvs, options) {
    for (const name of pvs) {
      const record = this.gateway.records.get(name);
      if (record?.error) {
        this.send({ msg_type: "error", code: record.error, message: record.error, action: "connect", pvname: name });
        continue;
      }
      this.subscribed.set(name, { ...this.#defaults, ...options });
      this.announce(name, record);
    }
  }

  on_disconnect(pvs) {
    for (const name of pvs) this.subscribed.delete(name);
  }

  on_get([name], options, id) {
    const record = this.#reachable(name, "get", id);
    if (record) this.value("value", name, record, { ...this.#defaults, ...options }, id);
  }

  on_info([name], _options, id) {
    const record = this.#reachable(name, "info", id);
    if (record) this.send({ ...this.metadata(name, record), id });
  }

  on_put([name], { value }, id) {
    const record = this.#reachable(name, "put", id);
    if (!record) return;
    const code = record.put?.(value);
    if (code) return this.send({ msg_type: "error", code, message: `refused: ${code}`, action: "put", pvname: name, id });
    if (code === null) return; // never answers
    this.gateway.post(name, value);
    this.send({ msg_type: "put", pvname: name, ok: true, id });
  }

  on_list(_pvs, _options, id) {
    this.send({ msg_type: "list", pvs: [...this.subscribed.keys()], id });
  }

  on_ping(_pvs, _options, id) {
    if (!this.gateway.mute) this.send({ msg_type: "pong", id });
  }

  announce(name, record) {
    if (!record) return;
    const options = this.subscribed.get(name);
    this.send({ msg_type: "connection", pvname: name, conn: record.connected });
    if (!record.connected) return;
    if (options.metadata) this.send(this.metadata(name, record));
    if (options.history && record.past) this.send({ msg_type: "history", pvname: name, ...record.past });
    this.monitor(name, record, options);
  }

  on_history([name], _options, id) {
    this.send({ msg_type: "history", pvname: name, ...this.gateway.records.get(name).past, id });
  }

  metadata(name, record) {
    const count = Array.isArray(record.value) ? record.value.length : 1;
    const access = { read_access: true, write_access: true, host: "localhost:5064" };
    return { msg_type: "metadata", pvname: name, type: record.type, count, ...access, ...record.meta };
  }

  monitor(name, record, options) {
    const now = Date.now();
    if (options.max_rate && now - (this.#lastSent.get(name) ?? 0) < 900 / options.max_rate) return;
    this.#lastSent.set(name, now);
    this.value("monitor", name, record, options);
  }

  value(type, pvname, record, options, id) {
    const value = typeof record.value === "number" && !Number.isFinite(record.value) ? null : record.value;
    const count = Array.isArray(value) ? value.length : 1;
    const units = record.meta?.units;
    const message = { msg_type: type, pvname, value, count, timestamp: record.timestamp, units };
    if (options.metadata) Object.assign(message, { severity: record.severity ?? "NO_ALARM", status: record.status ?? "NO_ALARM" });
    if (options.text) message.text = record.text?.(record.value) ?? String(record.value);
    if (id !== undefined) message.id = id;
    if (Array.isArray(value) && record.dtype && options.arrays === "binary") return this.#sendBytes(binaryFrame(message, record.dtype));
    if (Array.isArray(value) && record.dtype && options.arrays === "base64") message.value = inBase64(value, record.dtype);
    this.send(message);
  }

  send(message) {
    if (!this.#defaults.batch) return this.socket.send(JSON.stringify(message));
    if (this.#burst) return this.#burst.push(message);
    this.#burst = [message];
    setImmediate(() => this.#endBurst());
  }

  /** Sends it after earlier messages. */
  #sendBytes(bytes) {
    this.#endBurst();
    this.socket.send(bytes);
  }

  #endBurst() {
    if (this.#burst) this.socket.send(JSON.stringify(this.#burst));
    this.#burst = null;
  }

  #reachable(name, action, id) {
    const record = this.gateway.records.get(name);
    if (record?.connected) return record;
    this.send({ msg_type: "error", code: "not_connected", message: `${name} is not connected`, action, pvname: name, id });
    return undefined;
  }
}
