/**
 * The best that ts-mls can be given: its cryptography done by Node, three to seven times faster than its own providers.
 * It carries HPKE keys as CryptoKey but only ever hands them back to its provider; ours are raw bytes in a wrapper.
 */
import type { Ciphersuite, CiphersuiteImpl, Hpke, PrivateKey, PublicKey } from 'ts-mls';
import type { Entropy, KeyPair } from '@securechat/crypto';
import { AEAD_NONCE_BYTES, digest, ed25519, equal, hashBytes, hkdfExpand, hkdfExtract, hmac } from '@securechat/crypto';
import type { HpkeSuite } from './ts-mls-hpke.ts';
import { hpkeAeads, hpkeKems, hpkeOpen, hpkeReceiveExport, hpkeSeal, hpkeSendExport } from './ts-mls-hpke.ts';

const kems: Readonly<Record<string, HpkeSuite['kem']>> = { 'X-Wing': 'xwing', 'DHKEM-X25519-HKDF-SHA256': 'x25519' };
const kdfs: Readonly<Record<string, HpkeSuite['kdf']>> = { 'HKDF-SHA256': 'sha256', 'HKDF-SHA512': 'sha512' };
const aeads: Readonly<Record<string, HpkeSuite['aead']>> = {
  AES128GCM: 'aes128gcm',
  AES256GCM: 'aes256gcm',
  CHACHA20POLY1305: 'chacha20poly1305',
};
const hashes: Readonly<Record<string, HpkeSuite['kdf']>> = { 'SHA-256': 'sha256', 'SHA-512': 'sha512' };

/** For the suites 1, 3 and 0x0053. All randomness but ML-KEM's is taken from `entropy`. */
export function nodeSuite(suite: Ciphersuite, entropy: Entropy): CiphersuiteImpl {
  const hash = hashes[suite.hash];
  const kem = kems[suite.hpke.kem];
  const kdf = kdfs[suite.hpke.kdf];
  const aead = aeads[suite.hpke.aead];
  if (hash === undefined || kem === undefined || kdf === undefined || aead === undefined)
    throw new Error(`no suite ${suite.name}`);
  return {
    name: suite.name,
    rng: { randomBytes: (count) => entropy(count) },
    hash: {
      digest: async (data) => digest(hash, data),
      mac: async (key, data) => hmac(hash, key, data),
      verifyMac: async (key, mac, data) => equal(hmac(hash, key, data), mac),
    },
    kdf: {
      size: hashBytes[kdf],
      extract: async (salt, ikm) => hkdfExtract(kdf, salt, ikm),
      expand: async (prk, info, length) => hkdfExpand(kdf, prk, info, length),
    },
    signature: {
      sign: async (key, message) => ed25519.sign(key, message),
      verify: async (key, message, signature) => ed25519.verify(key, message, signature),
      keygen: async () => {
        const { privateKey, publicKey } = ed25519.generate(entropy);
        return { signKey: privateKey, publicKey };
      },
    },
    hpke: hpkeOf({ kem, kdf, aead }, entropy),
  };
}

const empty = new Uint8Array(0);

function hpkeOf(suite: HpkeSuite, entropy: Entropy): Hpke {
  const kem = hpkeKems[suite.kem];
  const aead = hpkeAeads[suite.aead];
  return {
    keyLength: aead.keyBytes,
    nonceLength: AEAD_NONCE_BYTES,
    seal: async (publicKey, plaintext, info, aad = empty) => {
      const sealed = hpkeSeal(suite, { publicKey: rawOf(publicKey), info, aad, plaintext, entropy });
      return { enc: wanted(sealed).encapsulated, ct: wanted(sealed).ciphertext };
    },
    open: async (privateKey, encapsulated, ciphertext, info, aad = empty) =>
      wanted(hpkeOpen(suite, { privateKey: rawOf(privateKey), encapsulated, info, aad, ciphertext })),
    exportSecret: async (publicKey, context, length, info) => {
      const sent = wanted(hpkeSendExport(suite, { publicKey: rawOf(publicKey), info, context, length, entropy }));
      return { enc: sent.encapsulated, secret: sent.secret };
    },
    importSecret: async (privateKey, context, encapsulated, length, info) =>
      wanted(hpkeReceiveExport(suite, { privateKey: rawOf(privateKey), encapsulated, info, context, length })),
    importPrivateKey: async (raw) => wrap<PrivateKey>('private', raw),
    importPublicKey: async (raw) => wrap<PublicKey>('public', raw),
    exportPrivateKey: async (key) => rawOf(key),
    exportPublicKey: async (key) => rawOf(key),
    encryptAead: async (key, nonce, aad = empty, plaintext) => aead.seal({ key, nonce, aad, plaintext }),
    decryptAead: async (key, nonce, aad = empty, ciphertext) => wanted(aead.open({ key, nonce, aad, ciphertext })),
    deriveKeyPair: async (ikm) => pairOf(kem.derive(ikm)),
    generateKeyPair: async () => pairOf(kem.generate(entropy)),
  };
}

interface RawKey {
  readonly type: 'public' | 'private';
  readonly raw: Uint8Array;
}

function wrap<Key extends PublicKey | PrivateKey>(type: Key['type'], raw: Uint8Array): Key {
  return { type, raw } satisfies RawKey as unknown as Key;
}

function rawOf(key: PublicKey | PrivateKey): Uint8Array {
  return (key as unknown as RawKey).raw;
}

function pairOf(pair: KeyPair): { publicKey: PublicKey; privateKey: PrivateKey } {
  return { publicKey: wrap('public', pair.publicKey), privateKey: wrap('private', pair.privateKey) };
}

function wanted<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not authentic');
  return value;
}
