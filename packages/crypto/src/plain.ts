/** A Buffer as the plain Uint8Array that crosses our borders: the same memory, without Buffer's methods. */
export function plain(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.byteLength);
}
