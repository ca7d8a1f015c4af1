/** libsodium's X25519: half the cost of node:crypto's, which takes every key apart and puts it together again. */
import { equal } from './secret.ts';
import { loaded } from './sodium.ts';
import type { X25519 } from './x25519-node.ts';
import { nodeX25519, X25519_BYTES } from './x25519-node.ts';

/** Undefined where it cannot be loaded or fails its self-test. */
export function loadSodiumX25519(): X25519 | undefined {
  return loaded((native) => {
    const candidate: X25519 = {
      publicOf(privateKey) {
        const publicKey = new Uint8Array(X25519_BYTES);
        native.crypto_scalarmult_base(publicKey, privateKey);
        return publicKey;
      },
      shared(privateKey, publicKey) {
        if (privateKey.length !== X25519_BYTES || publicKey.length !== X25519_BYTES) return undefined;
        const secret = new Uint8Array(X25519_BYTES);
        try {
          native.crypto_scalarmult(secret, privateKey, publicKey);
        } catch {
          return undefined;
        }
        return secret;
      },
    };
    return exchangesAlike(candidate) ? candidate : undefined;
  });
}

/** Points of small order, and some that are not reduced (RFC 7748 §5 takes these, §6.1 refuses the outcome of those). */
const ODD_POINTS: readonly Uint8Array[] = [
  point(0x00, 0x00, 0x00),
  point(0x01, 0x00, 0x00),
  point(0xec, 0xff, 0x7f), // -1
  point(0xed, 0xff, 0x7f), // p
  point(0xee, 0xff, 0x7f), // p + 1
  point(0xf6, 0xff, 0x7f), // 9, not reduced
  point(0x09, 0x00, 0x80), // 9, with the bit that is ignored
];

/** Self-test: the same public keys and secrets as node:crypto, and the same points refused. */
export function exchangesAlike(candidate: X25519): boolean {
  for (const start of [0, 180]) {
    const privateKey = Uint8Array.from({ length: X25519_BYTES }, (_, i) => (start + i * 11) & 0xff);
    const publicKey = nodeX25519.publicOf(privateKey);
    if (!equal(candidate.publicOf(privateKey), publicKey)) return false;
    for (const theirs of [...ODD_POINTS, publicKey]) {
      const [wanted, made] = [nodeX25519.shared(privateKey, theirs), candidate.shared(privateKey, theirs)];
      if (wanted === undefined ? made !== undefined : made === undefined || !equal(wanted, made)) return false;
    }
  }
  return candidate.shared(new Uint8Array(X25519_BYTES), new Uint8Array(X25519_BYTES - 1)) === undefined;
}

function point(first: number, middle: number, last: number): Uint8Array {
  return new Uint8Array(X25519_BYTES)
    .fill(middle)
    .with(0, first)
    .with(X25519_BYTES - 1, last);
}
