// Compiled, never run: what the types must allow, and what they must refuse.
import { PVClient, PVError, type Metadata, type PV, type Update } from "pycaserver";
import { PVChartElement, PVValueElement } from "pycaserver/elements";
import { gateway } from "pycaserver/html";

const gw = new PVClient("ws://localhost:8888/monitor", { WebSocket, backoff: { cap: 5000 } });
new PVClient();
new PVClient({ heartbeat: 0 });
const pv: PV = gw.pv("X", { metadata: true, text: true, maxRate: 10, arrays: "binary" });

const stop: () => void = pv.on("value", (update: Update) => {
  if (typeof update.value === "number") update.value.toFixed(2);
  // @ts-expect-error updates are shared and read-only
  update.count = 2;
});
stop();
pv.on("metadata", (metadata: Metadata) => metadata.control_limits?.[1]?.toFixed());
pv.on("connection", ({ state, connected }) => [state === "searching", connected]);
pv.on("error", (error) => error instanceof PVError && error.code === "forbidden");
gw.on("reconnecting", ({ seconds, at }) => seconds + at);

export async function use(): Promise<number> {
  await pv.put(1.5, { wait: false, timeout: 3 });
  await pv.put(Float64Array.of(1, 2));
  for await (const update of pv) return update.timestamp;
  for await (const update of pv.updates({ buffer: 5 })) return update.timestamp;
  const { units = "" } = await pv.get();
  return units.length + (await gateway.ping());
}

export function element(): HTMLElement {
  const value = new PVValueElement();
  value.pv = "X";
  value.last?.timestamp.toFixed();
  value.handle?.put(1);
  return Math.random() > 0.5 ? value : new PVChartElement();
}

// @ts-expect-error a name is a text
new PVValueElement().pv = 5;
// @ts-expect-error there is no such event
pv.on("values", () => {});
// @ts-expect-error there is no such encoding
gw.pv("X", { arrays: "xml" });
// @ts-expect-error handles are made by a client
new PV(gw, "X");
