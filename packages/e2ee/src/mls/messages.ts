/** Messages of the port: sent, and received with the commits of others. */
import type { ReceivedApplication, StagedCommit as MlsStaged } from '@securechat/mls';
import { encrypt as encryptMls, mergeCommit, receive, secretsOfDropped, wipeAll } from '@securechat/mls';
import type { DecryptedMessage, DecryptInput, MlsEngine, Refused, StagedCommit } from '../engine.ts';
import { advanced, mlsOf } from './held-state.ts';
import { contextOf, leafOf, policyOf, rosterOf, secondsOf } from './members.ts';
import { orInternal, orRefused, refused } from './refusal.ts';

export const encrypt: MlsEngine['encrypt'] = ({ state, signing, aad, plaintext, entropy }) => {
  const identity = { signatureKey: signing };
  const sent = orInternal(() => encryptMls(mlsOf(state), { identity, authenticatedData: aad, plaintext, entropy }));
  return { ...advanced(state, sent), ciphertext: sent.bytes };
};

export const decrypt: MlsEngine['decrypt'] = (input) => {
  const state = mlsOf(input.state);
  return orRefused((): DecryptedMessage | StagedCommit | Refused => {
    // Handshakes in the clear would come from outside of the group as well.
    if (!isPrivateMessage(input.ciphertext)) return refused('malformed');
    const policy = policyOf(input.check, input.nowMs);
    const message = { message: input.ciphertext, policy, now: secondsOf(input.nowMs) };
    const received = receive(state, { ...message, publicHandshakes: 'refuse-members' });
    switch (received.kind) {
      case 'application':
        return decrypted(input, received);
      case 'commit':
        return staged(input, received);
      case 'proposal':
        return refused('policy');
    }
  });
};

/** MLSMessage := version u16 | wire format u16 (2 = PrivateMessage) | …; RFC 9420 §6. */
function isPrivateMessage(bytes: Uint8Array): boolean {
  return bytes[2] === 0 && bytes[3] === 2;
}

function decrypted({ state }: DecryptInput, received: ReceivedApplication): DecryptedMessage {
  return {
    kind: 'message',
    sender: leafOf(received.sender),
    sentInEpoch: Number(received.epoch),
    aad: received.authenticatedData.slice(),
    plaintext: received.plaintext,
    ...advanced(state, received),
  };
}

function staged({ state }: DecryptInput, commit: MlsStaged): StagedCommit | Refused {
  const { committer, outcome } = commit;
  if (committer.kind !== 'member' || outcome.kind !== 'epoch') return refused('policy');
  return {
    kind: 'commit',
    committer: leafOf(committer.member),
    before: rosterOf(commit.before),
    after: rosterOf(commit.after),
    contextBefore: contextOf(commit.contextBefore.extensions),
    contextAfter: contextOf(commit.contextAfter.extensions),
    merge: () => advanced(state, mergeCommit(mlsOf(state), commit)),
    drop: () => wipeAll(secretsOfDropped(mlsOf(state), outcome.epoch)),
  };
}
