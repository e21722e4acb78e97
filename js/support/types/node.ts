// Compiled without the types of browsers, as programs on Node are.
import { PVClient, type ErrorCode, type Metadata, type TypedArray, type Value } from "pycaserver";

declare global {
  // As @types/node has it.
  class URL {
    readonly href: string;
  }
}

class Socket {
  binaryType = "blob";
  readyState = 0;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  constructor(readonly url: string) {}
  send(_text: string): void {}
  close(): void {}
}

const gw = new PVClient({ WebSocket: Socket, now: () => 0 });
export const values: Value[] = [1, "a", [1], ["a"], Float64Array.of(1) satisfies TypedArray];
export const code: ErrorCode = "forbidden";
export const info: Promise<Metadata> = gw.pv("X").info({ timeout: 1 });
// @ts-expect-error a value is no symbol
gw.pv("X").put(Symbol());
// @ts-expect-error there is no such option
new PVClient("ws://x", { heartbeats: 1 });
// @ts-expect-error the state cannot be set
gw.state = "open";
