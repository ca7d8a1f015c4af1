/**
 * Public keys that something can be sealed to. One that is none, in a leaf or on a path, would let every commit of the
 * others fail: it is refused when it comes in, and by all members alike, whatever their provider does with it.
 */

const X25519_BYTES = 32;

/** u-coordinates of points of small order, as little-endian numbers: 0, 1, two of order 8, p − 1, p, p + 1. */
const smallOrder: readonly (readonly number[])[] = [
  [...'00'.repeat(32)],
  [...`01${'00'.repeat(31)}`],
  [...'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
  [...'5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
  [...`ec${'ff'.repeat(30)}7f`],
  [...`ed${'ff'.repeat(30)}7f`],
  [...`ee${'ff'.repeat(30)}7f`],
].map((digits) =>
  Array.from({ length: X25519_BYTES }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2).join(''), 16)),
);

/** RFC 7748 §6.1: a shared secret that is not zero can come of it. The highest bit does not count. */
export function isX25519Key(key: Uint8Array): boolean {
  if (key.length !== X25519_BYTES) return false;
  return !smallOrder.some((point) => point.every((byte, at) => byte === ((key[at] ?? 0) & (at === 31 ? 0x7f : 0xff))));
}

export const ML_KEM_PUBLIC_BYTES = 1184;
const ML_KEM_MODULUS = 3329;
/** Of the key, before its 32-byte seed. */
const COEFFICIENT_BYTES = 1152;

/** FIPS 203 §7.2: the right size, and every 12-bit coefficient reduced. */
export function isMlKemKey(key: Uint8Array): boolean {
  if (key.length !== ML_KEM_PUBLIC_BYTES) return false;
  for (let at = 0; at < COEFFICIENT_BYTES; at += 3) {
    const middle = key[at + 1] ?? 0;
    const low = (key[at] ?? 0) | ((middle & 15) << 8);
    const high = (middle >> 4) | ((key[at + 2] ?? 0) << 4);
    if (low >= ML_KEM_MODULUS || high >= ML_KEM_MODULUS) return false;
  }
  return true;
}
