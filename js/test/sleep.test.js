import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock, clientFor, collect, socketClass } from "../support/harness.js";

/** A client on a computer that can sleep, during which time passes without timers. */
function sleeper(t) {
  const clock = new Clock();
  const WebSocket = socketClass();
  let slept = 0;
  const now = () => clock.options.now() + slept;
  const gw = clientFor(t, "ws://gateway/monitor", { ...clock.options, now, WebSocket, random: () => 0.5, heartbeat: 15 });
  WebSocket.last.open();
  const receive = () => WebSocket.last.receive({ msg_type: "connection", pvname: "X", conn: true });
  return { clock, now, receive, losses: collect(gw, "close"), fail: (code) => WebSocket.last.fail(code), sleep: (ms) => (slept += ms) };
}

test("a connection that was lost during a sleep counts as lost since the last message", (t) => {
  for (const code of [1006, 1001]) {
    const { clock, now, receive, losses, fail, sleep } = sleeper(t);
    clock.advance(5000);
    receive();
    const received = now();
    sleep(8 * 3600 * 1000);
    // A message that the network had buffered.
    receive();
    receive();
    fail(code);
    assert.equal(losses[0].staleSince, received);
  }
});

test("a connection that survived a sleep is lost only when it fails", (t) => {
  const { clock, now, receive, losses, fail, sleep } = sleeper(t);
  sleep(60000);
  receive();
  clock.advance(6000);
  receive();
  clock.advance(3000);
  fail();
  assert.equal(losses[0].staleSince, now());
});
