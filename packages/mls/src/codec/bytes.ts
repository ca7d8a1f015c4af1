/** Byte strings: joining, comparing, naming. */

/** The one empty byte string; shared, so that a flood of empty vectors costs no memory. */
export const EMPTY: Uint8Array = new Uint8Array(0);

const encoder = new TextEncoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** In time that depends on the lengths alone. For tags and other secrets. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Stops at the first difference: for public values only. */
export function equalPublic(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

const CHUNK = 4096;

/** A map key for a public byte string: one UTF-16 unit per byte, not for display. */
export function keyOf(bytes: Uint8Array): string {
  let key = '';
  // `apply` reads a typed array as it is; spreading it walks an iterator and costs five times as much.
  for (let at = 0; at < bytes.length; at += CHUNK)
    key += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + CHUNK));
  return key;
}

/** The bytes of a `keyOf`. */
export function bytesOfKey(key: string): Uint8Array {
  return Uint8Array.from(key, (unit) => unit.charCodeAt(0));
}

export function wipeAll(secrets: Iterable<Uint8Array>): void {
  for (const secret of secrets) secret.fill(0);
}
