/** DHKEM(X25519, HKDF-SHA256), RFC 9180 §4.1 and §7.1. */
import { EMPTY, concat, wipeAll } from '../codec/bytes.ts';
import { encode } from '../codec/writer.ts';
import type { Kdf } from './hkdf.ts';
import { labeledExpand, labeledExtract } from './hpke-labels.ts';
import type { Kem } from './kem.ts';
import type { CryptoProvider } from './provider.ts';
import { isX25519Key } from './usable-key.ts';

const KEM_ID = 0x0020;
const KEY_BYTES = 32;
const suiteId = concat(
  Uint8Array.of(0x4b, 0x45, 0x4d),
  encode((writer) => writer.u16(KEM_ID)),
);

export function dhkemX25519(provider: CryptoProvider): Kem {
  const { x25519 } = provider;
  const kdf: Kdf = { provider, hash: 'sha256' };

  function sharedSecret(dh: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
    const prk = labeledExtract(kdf, { suiteId, salt: EMPTY, label: 'eae_prk', ikm: dh });
    const info = concat(share, publicKey);
    const secret = labeledExpand(kdf, { suiteId, prk, label: 'shared_secret', info, length: 32 });
    wipeAll([dh, prk]);
    return secret;
  }

  return {
    id: KEM_ID,
    privateBytes: KEY_BYTES,
    publicOf: (privateKey) => x25519.publicOf(privateKey),
    generate(entropy) {
      const privateKey = entropy(KEY_BYTES);
      return { privateKey, publicKey: x25519.publicOf(privateKey) };
    },
    derive(ikm) {
      const prk = labeledExtract(kdf, { suiteId, salt: EMPTY, label: 'dkp_prk', ikm });
      const privateKey = labeledExpand(kdf, { suiteId, prk, label: 'sk', info: EMPTY, length: KEY_BYTES });
      prk.fill(0);
      return { privateKey, publicKey: x25519.publicOf(privateKey) };
    },
    accepts: isX25519Key,
    encapsulate(publicKey, entropy) {
      const ephemeral = entropy(KEY_BYTES);
      const exchanged = x25519.exchange(ephemeral, publicKey);
      ephemeral.fill(0);
      if (exchanged === undefined) return undefined;
      const { share: output, shared } = exchanged;
      return { secret: sharedSecret(shared, output, publicKey), output };
    },
    decapsulate({ privateKey, publicKey }, output) {
      const dh = x25519.shared(privateKey, output);
      return dh === undefined ? undefined : sharedSecret(dh, output, publicKey);
    },
  };
}
