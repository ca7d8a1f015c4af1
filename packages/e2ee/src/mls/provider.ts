/** The primitives that MLS works with here. */
import { sodiumEd25519, sodiumHmacSha512 } from '@securechat/crypto';
import type { CryptoProvider } from '@securechat/mls';
import { judgesAlike } from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';

/**
 * Node's, with libsodium's signatures and MACs where they are at hand: half of what a message costs is a signature, a
 * fifth are five MACs. All members must judge
 * a signature alike, or a hostile one splits the group.
 */
export const provider: CryptoProvider = {
  ...nodeProvider,
  ...(sodiumEd25519 !== undefined && judgesAlike(sodiumEd25519) && { ed25519: sodiumEd25519 }),
  hmac: (name, key, data) =>
    name === 'sha512' && sodiumHmacSha512 !== undefined
      ? sodiumHmacSha512(key, data)
      : nodeProvider.hmac(name, key, data),
};
