/* Base64 to bytes and back, for pages that were made for PVWS. */
"use strict";

function toByteArray(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function fromByteArray(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
