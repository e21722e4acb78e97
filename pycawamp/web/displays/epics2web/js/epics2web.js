/* A client of the epics2web protocol, with the interface that WEDM and other pages expect. */
"use strict";

// eslint-disable-next-line no-var -- a page's own scripts may have made it already
var jlab = jlab || {};
jlab.contextPrefix = jlab.contextPrefix || "";
jlab.epics2web = jlab.epics2web || {};

(function (epics2web) {
  const KINDS = ["open", "close", "connecting", "closing", "error", "message", "info", "update", "pong"];
  const NUMERIC = new Set(["DBR_DOUBLE", "DBR_FLOAT", "DBR_INT", "DBR_SHORT", "DBR_BYTE"]);
  const STATES = { connecting: "ws-connecting", open: "ws-connected", close: "ws-disconnected" };

  class ClientConnection extends EventTarget {
    url = monitorUrl();
    autoOpen = true;
    autoReconnect = true;
    autoLivenessPingAndTimeout = true;
    autoDisplayClasses = true;
    pingIntervalMillis = 3000;
    livenessTimoutMillis = 2000;
    reconnectWaitMillis = 1000;
    chunkedRequestMaxBytes = 8192;
    /** @type {string | null} */
    clientName = location.href;
    /** @type {WebSocket | null} */
    #socket = null;
    /** @type {number | undefined} */
    #liveness;
    /** @type {number | undefined} */
    #again;

    constructor(options = {}) {
      super();
      for (const [name, value] of Object.entries(options)) {
        if (Object.hasOwn(this, name) && value !== undefined) this[name] = value;
      }
      if (this.autoOpen) this.open();
      if (this.autoLivenessPingAndTimeout) setInterval(() => this.#checkLiveness(), this.pingIntervalMillis);
    }

    open() {
      if (this.#socket !== null && this.#socket.readyState !== WebSocket.CLOSED) return 1;
      this.#dispatch("connecting");
      const socket = (this.#socket = new WebSocket(this.#address()));
      socket.onopen = () => this.#dispatch("open");
      socket.onerror = () => this.#dispatch("error");
      socket.onmessage = (event) => this.#take(JSON.parse(event.data));
      socket.onclose = () => this.#closed();
    }

    close(code = 1000, reason) {
      if (this.#socket === null || this.#socket.readyState === WebSocket.CLOSED) return;
      this.#dispatch("closing");
      this.#socket.close(code, reason);
    }

    ping() {
      this.#send({ type: "ping" });
    }

    monitorPvs(pvs) {
      this.#sendNames("monitor", pvs);
    }

    clearPvs(pvs) {
      this.#sendNames("clear", pvs);
    }

    #address() {
      if (this.clientName === null) return this.url;
      const joint = this.url.includes("?") ? "&" : "?";
      return `${this.url}${joint}clientName=${encodeURIComponent(this.clientName)}`;
    }

    #send(message) {
      /** @type {WebSocket} */ (this.#socket).send(JSON.stringify(message));
    }

    /* Sends names, split into messages of at most chunkedRequestMaxBytes. */
    #sendNames(type, pvs) {
      const maximum = this.chunkedRequestMaxBytes > 0 ? this.chunkedRequestMaxBytes : Infinity;
      const empty = JSON.stringify({ type, pvs: [] }).length;
      const encoder = new TextEncoder();
      let names = [];
      let size = empty;
      for (const name of pvs) {
        const more = encoder.encode(JSON.stringify(name)).length + 1;
        if (names.length > 0 && size + more > maximum) {
          this.#send({ type, pvs: names });
          names = [];
          size = empty;
        }
        names.push(name);
        size += more;
      }
      if (names.length > 0) this.#send({ type, pvs: names });
    }

    #take(message) {
      this.#alive();
      message.date = new Date();
      if (["info", "update", "pong"].includes(message.type)) this.#dispatch(message.type, message);
      this.#dispatch("message", message);
    }

    #closed() {
      this.#alive();
      this.#dispatch("close");
      if (!this.autoReconnect || this.#again !== undefined) return;
      this.#again = setTimeout(() => {
        this.#again = undefined;
        this.open();
      }, this.reconnectWaitMillis);
    }

    #checkLiveness() {
      if (this.#socket === null || this.#socket.readyState !== WebSocket.OPEN) return;
      this.ping();
      this.#liveness ??= setTimeout(() => {
        this.#liveness = undefined;
        this.#socket?.close();
      }, this.livenessTimoutMillis);
    }

    #alive() {
      clearTimeout(this.#liveness);
      this.#liveness = undefined;
    }

    #dispatch(kind, detail) {
      if (this.autoDisplayClasses && kind in STATES) show(STATES[kind]);
      const event = new CustomEvent(kind, { detail });
      this[`on${kind}`]?.(event);
      this.dispatchEvent(event);
    }
  }

  function monitorUrl() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return `${scheme}//${location.host}${jlab.contextPrefix}/epics2web/monitor`;
  }

  /* Shows the elements with the class of this state, and hides those of the others. */
  function show(state) {
    for (const each of Object.values(STATES)) {
      for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`.${each}`))) {
        element.style.display = each === state ? "" : "none";
      }
    }
  }

  for (const kind of KINDS) ClientConnection.prototype[`on${kind}`] = () => {};
  epics2web.ClientConnection = ClientConnection;
  epics2web.isNumericEpicsType = (datatype) => NUMERIC.has(datatype);
})(jlab.epics2web);
