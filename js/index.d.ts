/** Live EPICS process variables: the client of the pycaserver gateway. */

export type TypedArray =
  | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array
  | BigInt64Array | BigUint64Array | Float32Array | Float64Array;

export type Value = number | string | number[] | string[] | TypedArray;

export type Severity = "NO_ALARM" | "MINOR" | "MAJOR" | "INVALID";

/** One value of a PV. Shared between listeners: read it, do not change it. */
export interface Update {
  readonly pvname: string;
  /** A number (enums: the index; not a number, or no value: NaN), a text, or an array. */
  readonly value: Value;
  /** Elements of an array; 1 for a scalar, 0 where it has no value. */
  readonly count: number;
  /** Seconds since 1970, by the IOC's clock. */
  readonly timestamp: number;
  /** Present when the record has a unit. */
  readonly units?: string;
  /** With `metadata: true`. */
  readonly severity?: Severity;
  /** With `metadata: true`: `HIGH`, `LOLO`, `UDF` … */
  readonly status?: string;
  /** With `text: true`: the value as a person reads it. */
  readonly text?: string;
  /** Of arrays that travelled as base64 or binary. */
  readonly shape?: readonly number[];
}

/** Null: no limit on that side. Records without limits have both at zero. */
export type Limits = readonly [low: number | null, high: number | null];

export interface Metadata {
  readonly pvname: string;
  readonly type: "double" | "float" | "long" | "short" | "char" | "enum" | "string" | (string & {});
  /** Native element count. */
  readonly count: number;
  readonly units?: string;
  readonly precision?: number;
  readonly enum_strs?: readonly string[];
  readonly display_limits?: Limits;
  readonly control_limits?: Limits;
  readonly alarm_limits?: Limits;
  readonly warning_limits?: Limits;
  readonly read_access?: boolean;
  readonly write_access?: boolean;
  /** The IOC, as `host:port`. */
  readonly host?: string;
}

export type PVState = "searching" | "connected" | "disconnected" | "unreachable";

export interface Connection {
  readonly pvname: string;
  readonly state: PVState;
  readonly connected: boolean;
}

export interface PVOptions {
  /** Follow metadata; severity and status in every update. */
  metadata?: boolean;
  /** `text` in every update. */
  text?: boolean;
  /** Updates per second at most, the newest wins. None: every update. */
  maxRate?: number;
  /** How arrays travel; the latter two arrive as typed arrays. */
  arrays?: "json" | "base64" | "binary";
}

/** The gateway's codes, then the client's own. */
export type ErrorCode =
  | "bad_json" | "bad_request" | "unknown_action" | "bad_name" | "forbidden" | "unauthenticated"
  | "not_connected" | "timeout" | "bad_value" | "put_failed" | "too_many_pvs" | "too_large"
  | "rate_limited" | "overloaded" | "internal"
  | "unreachable" | "closed" | "bad_frame"
  | (string & {});

export class PVError extends Error {
  constructor(code: ErrorCode, message: string, about?: { pvname?: string; action?: string });
  readonly code: ErrorCode;
  readonly pvname?: string;
  readonly action?: string;
}

export interface PVEvents {
  value: Update;
  connection: Connection;
  metadata: Metadata;
  error: PVError;
}

export type Unsubscribe = () => void;

/** A page's hold on one PV, made by `PVClient.pv`. */
export interface PV extends AsyncIterable<Update> {
  readonly name: string;
  readonly options: Readonly<Required<PVOptions>>;
  readonly state: PVState;
  readonly connected: boolean;
  readonly closed: boolean;
  readonly last: Update | null;
  readonly metadata: Metadata | null;
  on<E extends keyof PVEvents>(event: E, listener: (payload: PVEvents[E]) => void): Unsubscribe;
  /** Changes this handle's options; those not named stay. */
  setOptions(options: PVOptions): void;
  /** Reads once. `timeout` in seconds. */
  get(options?: { timeout?: number }): Promise<Update>;
  /** Writes; resolves once the record has processed (`wait`, the default), or once it was sent. */
  put(value: Value, options?: { wait?: boolean; timeout?: number }): Promise<void>;
  info(options?: { timeout?: number }): Promise<Metadata>;
  /** Updates from the current one on; a slow reader is at most `buffer` (1) behind. */
  updates(options?: { buffer?: number }): AsyncIterableIterator<Update>;
  close(): void;
}

export interface ClientEvents {
  open: { readonly reconnected: boolean };
  close: { readonly code: number; readonly reason: string; readonly staleSince: number };
  reconnecting: {
    readonly attempt: number;
    readonly seconds: number;
    readonly at: number;
    readonly staleSince: number | null;
  };
  error: PVError;
}

/** What the client uses of a WebSocket: the browser's and the `ws` package's both fit. */
export type WebSocketConstructor = new (url: string) => {
  binaryType: any;
  readonly readyState: number;
  onopen: any;
  onmessage: any;
  onclose: any;
  onerror: any;
  send(text: string): void;
  close(): void;
};

export interface ClientOptions {
  /** Let the gateway send bursts as one frame (default true). */
  batch?: boolean;
  /** Seconds of silence after which to ask for a sign of life (default 15); 0: never. */
  heartbeat?: number;
  /** Seconds a request may take (default 10). */
  timeout?: number;
  /** Milliseconds: first and longest wait before reconnecting (1000 and 30000). */
  backoff?: { base?: number; cap?: number };
  WebSocket?: WebSocketConstructor;
  setTimeout?: (fn: () => void, ms: number) => unknown;
  clearTimeout?: (timer: any) => void;
  now?: () => number;
  random?: () => number;
}

export class PVClient {
  constructor(url?: string | URL, options?: ClientOptions);
  constructor(options: ClientOptions);
  readonly url: string;
  readonly state: "connecting" | "open" | "waiting" | "closed";
  /** Since when what is shown is stale (ms since 1970), or null. */
  readonly staleSince: number | null;
  /** When the next attempt to reconnect is due (ms since 1970), or null. */
  readonly nextAttempt: number | null;
  on<E extends keyof ClientEvents>(event: E, listener: (payload: ClientEvents[E]) => void): Unsubscribe;
  pv(name: string, options?: PVOptions): PV;
  list(): Promise<string[]>;
  /** Milliseconds to the gateway and back. */
  ping(): Promise<number>;
  /** Tries now instead of waiting out the back-off. */
  reconnect(): void;
  close(): void;
}
