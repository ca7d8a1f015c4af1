/** Renewing the keys of our leaf in a direct conversation. */
import type { AccountBundle } from '@securechat/crypto';
import type { control } from '@securechat/wire';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import { sealCapsule } from '../capsule.ts';
import type { PendingCommit } from '../engine.ts';
import type { ConversationInput } from './encrypt.ts';

export interface LeafRenewal extends Omit<PendingCommit, 'commit' | 'groupInfo'> {
  /** The payload of a `commit` submit; encode with `control.Commit`. */
  readonly commit: control.Commit;
}

/**
 * A self-update. `state` and `pending` are stored before the commit is sent; on *accepted* `engine.mergeOwn` makes the
 * second the state, on `EPOCH_STALE` it is wiped.
 */
export function renewLeaf(
  input: ConversationInput & { readonly people: readonly AccountBundle[]; readonly nowMs: number },
): LeafRenewal {
  const { engine, me, state, group, people, nowMs, entropy } = input;
  const { commit, groupInfo, ...rest } = engine.selfUpdate({ state, signing: me.signing, nowMs, entropy });
  if (commit.length > defaultLimits.commitBytesMax) throw new SecureChatError('TOO_LARGE');
  const capsule = sealCapsule({ groupInfo, group, epoch: rest.epochAfter, people, entropy });
  return { ...rest, commit: { commit, capsule } };
}
