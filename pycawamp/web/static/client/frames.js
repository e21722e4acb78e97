/** Parses frames of the gateway to messages. Throws an error if a frame is invalid. */
import { fromBase64, isKnown, typedArray } from "./arrays.js";

const LENGTH_BYTES = 4;
const ALIGNMENT = 8;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A message of the gateway, not validated.
 * @typedef {Record<string, any>} Message
 */

/**
 * @param {string | ArrayBuffer} data
 * @returns {Message[]} one message, or a batch of them
 */
export function messagesOf(data) {
  if (typeof data !== "string") return [binaryMessage(data)];
  const parsed = JSON.parse(data);
  return Array.isArray(parsed) ? parsed : [parsed];
}

/**
 * uint32 header length, JSON header, padding to 8 bytes, elements: all little-endian.
 * @param {ArrayBuffer} buffer
 * @returns {Message}
 */
function binaryMessage(buffer) {
  if (!(buffer instanceof ArrayBuffer)) throw new TypeError("a binary frame must be an ArrayBuffer");
  const headerLength = new DataView(buffer).getUint32(0, true);
  const headerEnd = LENGTH_BYTES + headerLength;
  const start = Math.ceil(headerEnd / ALIGNMENT) * ALIGNMENT;
  if (headerEnd > buffer.byteLength) throw new RangeError("the header is longer than the message");
  const header = JSON.parse(utf8.decode(new Uint8Array(buffer, LENGTH_BYTES, headerLength)));
  // An empty array may have no padding: there is nothing to align.
  const elements = new Uint8Array(buffer, Math.min(start, buffer.byteLength));
  const { dtype, shape, ...rest } = header;
  return { ...rest, ...arrayOf(dtype, shape, elements) };
}

/**
 * @param {string} dtype kept even if it is unknown here
 * @param {number[]} shape
 * @param {Uint8Array} bytes
 */
function arrayOf(dtype, shape, bytes) {
  return { value: typedArray(dtype, shape, bytes), shape, ...(!isKnown(dtype) && { dtype }) };
}

/**
 * Returns the update of a `monitor` or `value` message. JSON has no NaN, for which the gateway sends
 * null; it is converted to NaN again, as is a missing value (with a count of 0).
 *
 * @param {Message} message
 * @returns {import("./types.js").Update}
 */
export function updateOf(message) {
  const { msg_type: _type, id: _id, value, ...known } = message;
  const rest = /** @type {import("./types.js").Update} */ (known);
  if (value === undefined) throw new TypeError(`a ${message.msg_type} message without a value`);
  if (value === null) return { ...rest, value: NaN };
  if (typeof value !== "object" || ArrayBuffer.isView(value)) return { ...rest, value };
  if (Array.isArray(value)) return { ...rest, value: withoutNull(value) };
  // A table or a structure of pvAccess.
  if (typeof value.base64 !== "string") return { ...rest, value };
  const { base64, dtype, shape, ...described } = value;
  return { ...rest, ...described, ...arrayOf(dtype, shape, fromBase64(base64)) };
}

/**
 * Returns the history of a `history` message.
 *
 * @param {Message} message
 * @returns {import("./types.js").History}
 */
export function historyOf({ pvname, timestamps, values, severities }) {
  const isWhole = timestamps.length === values.length && values.length === severities.length;
  if (!isWhole) throw new RangeError("a history message with lists of different lengths");
  return { pvname, timestamps: Float64Array.from(timestamps), values: Float64Array.from(values, (/** @type {number | null} */ value) => value ?? NaN), severities: Uint8Array.from(severities) };
}

/** @param {any[]} list */
function withoutNull(list) {
  return list.includes(null) ? list.map((item) => item ?? NaN) : list;
}
