/* A client of the PVWS protocol, with the interface that display programs expect. Needs base64.js. */
/* global toByteArray */
"use strict";

class PVWS {
  /* connectHandler is called with whether the socket is open; messageHandler with each message: for an
   * update with the complete state of the PV, of which the update may contain only a part. */
  constructor(url, connectHandler, messageHandler) {
    this.url = url;
    this.connect_handler = connectHandler;
    this.message_handler = messageHandler;
    this.values = {};
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  open() {
    this.connect_handler(false);
    const socket = (this.socket = new WebSocket(this.url));
    socket.onopen = () => {
      this.connect_handler(true);
      this.restartIdleTimer();
    };
    socket.onmessage = (event) => {
      this.restartIdleTimer();
      this.take(JSON.parse(event.data));
    };
    socket.onclose = () => {
      clearTimeout(this.timer);
      this.connect_handler(false);
      setTimeout(() => this.open(), this.reconnect_ms);
    };
  }

  /* Closes the socket, which opens again after a while. */
  close() {
    this.socket?.close();
  }

  ping() {
    this.send({ type: "ping" });
  }

  subscribe(pvs) {
    this.send({ type: "subscribe", pvs: [pvs].flat() });
  }

  clear(pvs) {
    const names = [pvs].flat();
    this.send({ type: "clear", pvs: names });
    for (const name of names) delete this.values[name];
  }

  list() {
    this.send({ type: "list" });
  }

  write(pv, value) {
    this.send({ type: "write", pv, value });
  }

  send(message) {
    /** @type {WebSocket} */ (this.socket).send(JSON.stringify(message));
  }

  /* Pings the gateway when nothing has been received for idle_ms: proxies close idle sockets. */
  restartIdleTimer() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.ping();
      this.restartIdleTimer();
    }, this.idle_ms);
  }

  take(message) {
    if (message.type !== "update") {
      this.message_handler(message);
      return;
    }
    for (const [member, Numbers] of Object.entries(PVWS.ARRAYS)) {
      if (member in message) {
        message.value = Array.from(new Numbers(toByteArray(message[member]).buffer));
        delete message[member];
      }
    }
    const known = this.values[message.pv] ?? { pv: message.pv, readonly: true };
    this.values[message.pv] = Object.assign(known, message);
    this.message_handler(known);
  }
}

PVWS.ARRAYS = {
  b64dbl: Float64Array,
  b64flt: Float32Array,
  b64int: Int32Array,
  b64srt: Int16Array,
  b64byt: Uint8Array,
};
PVWS.prototype.reconnect_ms = 10000;
PVWS.prototype.idle_ms = 30000;
