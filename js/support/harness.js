// Shared parts of tests: a gateway and a client that end with the test, and functions that wait.
import WebSocket from "ws";
import { PVClient } from "../../pycawamp/web/static/pycaserver.js";
import { FakeGateway } from "./gateway.js";

export async function gatewayFor(t) {
  const gateway = await new FakeGateway().start();
  t.after(() => gateway.stop());
  return gateway;
}

export function clientFor(t, url, options = {}) {
  const gw = new PVClient(url, { WebSocket, heartbeat: 0, ...options });
  t.after(() => gw.close());
  return gw;
}

/** The next event of a handle or client. */
export function once(source, event) {
  return new Promise((resolve) => {
    const stop = source.on(event, (payload) => {
      stop();
      resolve(payload);
    });
  });
}

/** The payloads of an event from now on, as a growing list. */
export function collect(source, event) {
  const all = [];
  source.on(event, (payload) => all.push(payload));
  return all;
}

export async function until(condition, what = condition.toString()) {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`);
    await pause(2);
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A client's environment with a clock that the test advances. */
export class Clock {
  #now = 1_000_000;
  #timers = new Map();
  #next = 1;

  get options() {
    return {
      now: () => this.#now,
      setTimeout: (fn, ms) => {
        this.#timers.set(this.#next, { fn, at: this.#now + ms });
        return this.#next++;
      },
      clearTimeout: (timer) => this.#timers.delete(timer),
    };
  }

  get pending() {
    return this.#timers.size;
  }

  advance(ms) {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].fn();
    }
    this.#now = end;
  }
}

/** A WebSocket whose other end is controlled by the test. */
export function socketClass() {
  return class TestSocket {
    static all = [];
    static get last() {
      return TestSocket.all.at(-1);
    }

    readyState = 0;
    sent = [];

    constructor(url) {
      this.url = url;
      TestSocket.all.push(this);
    }

    open() {
      this.readyState = 1;
      this.onopen?.({});
    }

    receive(data) {
      this.onmessage?.({ data: typeof data === "string" || data instanceof ArrayBuffer ? data : JSON.stringify(data) });
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close() {
      this.readyState = 3;
    }

    fail(code = 1006) {
      this.readyState = 3;
      this.onclose?.({ code, reason: "" });
    }
  };
}
