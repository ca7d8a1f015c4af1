/** The primitives that MLS works with here. */
import { sodiumEd25519 } from '@securechat/crypto';
import type { CryptoProvider } from '@securechat/mls';
import { judgesAlike } from '@securechat/mls';
import { nodeProvider } from '@securechat/mls/node';

/**
 * Node's, with libsodium's signatures where they are at hand: half of what a message costs is one. All members must judge
 * a signature alike, or a hostile one splits the group.
 */
export const provider: CryptoProvider =
  sodiumEd25519 !== undefined && judgesAlike(sodiumEd25519)
    ? { ...nodeProvider, ed25519: sodiumEd25519 }
    : nodeProvider;
