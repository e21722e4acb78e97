// Encodes arrays as the gateway does, independently of the client's decoder.
const WRITERS = {
  "<f8": [8, "setFloat64"],
  "<f4": [4, "setFloat32"],
  "<i4": [4, "setInt32"],
  "<i2": [2, "setInt16"],
  "<u2": [2, "setUint16"],
  "|u1": [1, "setUint8"],
  "|i1": [1, "setInt8"],
  "<i8": [8, "setBigInt64"],
};

export function bytesOf(list, dtype) {
  const [size, write] = WRITERS[dtype];
  const view = new DataView(new ArrayBuffer(list.length * size));
  list.forEach((item, i) => view[write](i * size, item, true));
  return Buffer.from(view.buffer);
}

export function inBase64(list, dtype) {
  return { dtype, shape: [list.length], base64: bytesOf(list, dtype).toString("base64") };
}

export function binaryFrame({ value, ...header }, dtype) {
  const json = Buffer.from(JSON.stringify({ ...header, dtype, shape: [value.length] }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const padding = Buffer.alloc((8 - ((4 + json.length) % 8)) % 8);
  return Buffer.concat([length, json, padding, bytesOf(value, dtype)]);
}
