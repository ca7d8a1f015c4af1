/** The key schedule: HKDF-SHA256 (RFC 5869), everything 32 bytes. */
import { hkdfExpand, hkdfExtract, wipe } from '@securechat/crypto';
import { concatBytes } from '@securechat/wire';

const KEY_BYTES = 32;
const utf8 = new TextEncoder();

/** Independent of each other: who reads a record key from memory learns neither the other ones nor later mixes. */
export interface SessionKeys {
  /** Records of the client. */
  readonly client: Uint8Array;
  /** Records of the server. */
  readonly server: Uint8Array;
  /** What the next mix starts from. */
  readonly chain: Uint8Array;
  /** Key of the MAC that ends the handshake. */
  readonly confirm: Uint8Array;
}

export interface HandshakeSecrets {
  /** X25519, 32 bytes. */
  readonly dh: Uint8Array;
  /** ML-KEM-768, 32 bytes. */
  readonly kem: Uint8Array;
  /** 32 bytes: what the client sealed to the server, or the resumption secret. */
  readonly secret: Uint8Array;
}

/** Secret as long as one of the three inputs is. The caller wipes the inputs. */
export function handshakeKeys(secrets: HandshakeSecrets, transcript: Uint8Array): SessionKeys {
  return derive(transcript, concatBytes(secrets.dh, secrets.kem, secrets.secret));
}

/** Keys that also need `secret`. The caller wipes `chain` and `secret`. */
export function mixedKeys(chain: Uint8Array, secret: Uint8Array, transcript: Uint8Array): SessionKeys {
  return derive(transcript, concatBytes(chain, secret));
}

function derive(transcript: Uint8Array, input: Uint8Array): SessionKeys {
  const root = hkdfExtract('sha256', transcript, input);
  const keys = {
    client: expand(root, 'SecureChat client v1'),
    server: expand(root, 'SecureChat server v1'),
    chain: expand(root, 'SecureChat chain v1'),
    confirm: expand(root, 'SecureChat confirm v1'),
  };
  wipe(input, root);
  return keys;
}

/** The key after a key of 2^20 records or an hour; the caller wipes the old one. */
export function nextRecordKey(key: Uint8Array): Uint8Array {
  return expand(key, 'SecureChat rekey v1');
}

/** The key with which a device proves that it holds a resumption secret. */
export function resumptionProofKey(secret: Uint8Array): Uint8Array {
  return expand(secret, 'SecureChat resumption proof v1');
}

function expand(key: Uint8Array, label: string): Uint8Array {
  return hkdfExpand('sha256', key, utf8.encode(label), KEY_BYTES);
}
