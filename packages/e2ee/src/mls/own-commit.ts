/** Commits of ours through the port: made, and merged once they are accepted. */
import { createCommit, exportGroupInfo, mergePending, secretsOfDropped, wipeAll } from '@securechat/mls';
import type { MlsEngine } from '../engine.ts';
import { advanced, epochOf, mlsOf, packPending, unpackPending } from './held-state.ts';
import { policyOf, secondsOf } from './members.ts';
import { orInternal } from './refusal.ts';

export const selfUpdate: MlsEngine['selfUpdate'] = ({ state, signing, nowMs, entropy }) =>
  orInternal(() => {
    const identity = { signatureKey: signing };
    // The update path carries our own leaf again, and nobody else's.
    const policy = policyOf(() => true, nowMs);
    const made = createCommit(mlsOf(state), { identity, policy, now: secondsOf(nowMs), entropy });
    const next = mergePending(made.state, made.pending).state;
    const groupInfo = exportGroupInfo(next, { identity, externalJoin: 'offered' });
    const pending = packPending(made.pending);
    wipeAll(secretsOfDropped(made.state, made.pending.epoch));
    return { ...advanced(state, made), commit: made.commit, pending, epochAfter: epochOf(next), groupInfo };
  });

export const mergeOwn: MlsEngine['mergeOwn'] = ({ state, pending }) => {
  const merged = orInternal(() => mergePending(mlsOf(state), unpackPending(pending)));
  const next = advanced(state, merged);
  return { ...next, wipe: [...next.wipe, pending] };
};
