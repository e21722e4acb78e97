/**
 * The types that the library's users and its modules share: this file has no code.
 *
 * @typedef {Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array
 *   | BigInt64Array | BigUint64Array | Float32Array | Float64Array} TypedArray
 * @typedef {number | string | boolean | number[] | string[] | TypedArray | {[field: string]: any}} Value
 * @typedef {"NO_ALARM" | "MINOR" | "MAJOR" | "INVALID"} Severity
 */

/**
 * An update of a PV. It is shared between listeners: do not change it.
 *
 * @typedef {Readonly<UpdateFields>} Update
 */

/**
 * @typedef {object} UpdateFields
 * @property {string} pvname
 * @property {Value} value a number (enums: the index; not a number, or no value: NaN), a text, an array, or an
 *   object: a table (`labels`, `columns`) or a structure of pvAccess
 * @property {number} count elements of an array; 1 for a scalar, 0 where it has no value
 * @property {number} timestamp seconds since 1970, by the IOC's clock
 * @property {string} [units] present when the record has a unit
 * @property {Severity} [severity] with `metadata: true`
 * @property {string} [status] with `metadata: true`: `HIGH`, `LOLO`, `UDF` …
 * @property {string} [text] with `text: true`: the value as text for users
 * @property {readonly number[]} [shape] of arrays that were sent as base64 or binary: all dimensions, rows first
 * @property {string} [dtype] of such an array, if the client does not support its type: the value is its bytes
 * @property {string} [codec] of a compressed picture, such as `jpeg`: the value is its bytes
 * @property {readonly number[]} [image_shape] of a compressed picture: rows, columns, and colours if there are any
 * @property {string} [alarm_message] with `alarmMessage: true`: the alarm's message, if it is not just the name of the status
 * @property {{readonly [name: string]: any}} [attributes] of a picture, with `attributes: true`
 */

/**
 * Null: no limit on that side. Both are zero if the record has no limits.
 *
 * @typedef {readonly [low: number | null, high: number | null]} Limits
 */

/** @typedef {Readonly<MetadataFields>} Metadata */

/**
 * @typedef {object} MetadataFields
 * @property {string} pvname
 * @property {"double" | "float" | "long" | "short" | "char" | "enum" | "string" | (string & {})} type
 * @property {number} count native element count
 * @property {string} [units]
 * @property {number} [precision]
 * @property {readonly string[]} [enum_strs]
 * @property {Limits} [display_limits]
 * @property {Limits} [control_limits]
 * @property {Limits} [alarm_limits]
 * @property {Limits} [warning_limits]
 * @property {boolean} [read_access]
 * @property {boolean | null} [write_access] null: unknown until a write is tried
 * @property {string} [description] of pvAccess PVs
 * @property {string} [form] how to show its numbers, such as `Hex`
 * @property {string} [host] the IOC, as `host:port`
 */

/** @typedef {"searching" | "connected" | "disconnected" | "unreachable"} PVState */

/** @typedef {Readonly<ConnectionFields>} Connection */

/**
 * @typedef {object} ConnectionFields
 * @property {string} pvname
 * @property {PVState} state
 * @property {boolean} connected
 * @property {string} [reason] why it is not connected, as text; absent if it is, if the reason is unknown, or with `batch: false`
 */

/**
 * Numbers over time, oldest first; three lists of the same length.
 *
 * @typedef {object} History
 * @property {string} pvname
 * @property {Float64Array} timestamps seconds since 1970, by the IOC's clock
 * @property {Float64Array} values NaN: not a number, or not connected
 * @property {Uint8Array} severities 0 `NO_ALARM` … 3 `INVALID`
 */

/**
 * @typedef {object} PVOptions
 * @property {boolean} [metadata] follow metadata; severity and status in every update
 * @property {boolean} [text] `text` in every update: the value as text for users
 * @property {number} [maxRate] maximum updates per second, of which the newest is sent; none: every update
 * @property {number} [history] seconds before now, whose samples are delivered first in one `history` event, if the gateway keeps them
 * @property {number} [points] maximum number of samples of that event (default 8192)
 * @property {"json" | "base64" | "binary"} [arrays] the encoding of arrays; the latter two become typed arrays
 * @property {boolean} [alarmMessage] `alarm_message` in updates, where the alarm has one
 * @property {"number" | "string"} [int64] integers of 64 bits as the nearest number, or as a string with all digits
 * @property {boolean} [attributes] `attributes` in updates of pictures
 * @property {ImageForm | null} [image] request pictures as JPEG
 */

/**
 * @typedef {object} ImageForm
 * @property {number} jpeg quality, 1 to 100
 * @property {number} [max] maximum pixels of a row or a column, 16 to 10000
 */

/**
 * The gateway's codes, then the client's own.
 *
 * @typedef {"bad_json" | "bad_request" | "unknown_action" | "bad_name" | "forbidden"
 *   | "unauthenticated" | "not_connected" | "timeout" | "bad_value" | "put_failed" | "too_many_pvs"
 *   | "too_large" | "rate_limited" | "overloaded" | "internal" | "unreachable" | "closed" | "bad_frame"
 *   | (string & {})} ErrorCode
 */

/** @typedef {() => void} Unsubscribe */

/**
 * The payloads of a handle's events.
 *
 * @typedef {object} PVEvents
 * @property {Update} value
 * @property {Connection} connection
 * @property {Metadata} metadata
 * @property {History} history
 * @property {import("./error.js").PVError} error
 */

/**
 * The payloads of a client's events.
 *
 * @typedef {object} ClientEvents
 * @property {{readonly reconnected: boolean}} open
 * @property {{readonly code: number, readonly reason: string, readonly staleSince: number | null}} close
 * @property {{readonly attempt: number, readonly seconds: number, readonly at: number,
 *   readonly staleSince: number | null}} reconnecting
 * @property {import("./error.js").PVError} error
 */

/**
 * The part of a WebSocket that the client uses. Those of browsers and of the `ws` package conform to it.
 *
 * @typedef {object} Socket
 * @property {any} binaryType
 * @property {number} readyState
 * @property {any} onopen
 * @property {any} onmessage
 * @property {any} onclose
 * @property {any} onerror
 * @property {(text: string) => void} send
 * @property {() => void} close
 */

/**
 * @typedef {object} ClientOptions
 * @property {boolean} [batch] let the gateway send bursts as one frame (default true)
 * @property {number} [heartbeat] seconds without a message after which a ping is sent (default 15); 0: never
 * @property {number} [timeout] seconds a request may take (default 10)
 * @property {{base?: number, cap?: number}} [backoff] milliseconds: first and longest wait before reconnecting
 * @property {new (url: string) => Socket} [WebSocket] for Node: the constructor to use
 * @property {(fn: () => void, ms: number) => unknown} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 * @property {() => number} [now]
 * @property {() => number} [random]
 */

export {};
