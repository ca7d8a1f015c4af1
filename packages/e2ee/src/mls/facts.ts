/** What a group of the port shows of itself. */
import { exportGroupInfo as exportInfo, factsOf } from '@securechat/mls';
import type { MlsEngine } from '../engine.ts';
import { mlsOf } from './held-state.ts';
import { contextOf, rosterOf } from './members.ts';
import { orInternal } from './refusal.ts';

export const facts: MlsEngine['facts'] = (state) => {
  const { groupId, epoch, extensions, roster, own, authenticator } = factsOf(mlsOf(state));
  return {
    group: groupId.slice(),
    epoch: Number(epoch),
    context: contextOf(extensions),
    roster: rosterOf(roster),
    ownLeaf: own.leaf,
    authenticator,
  };
};

export const exportGroupInfo: MlsEngine['exportGroupInfo'] = ({ state, signing }) =>
  orInternal(() => exportInfo(mlsOf(state), { identity: { signatureKey: signing }, externalJoin: 'offered' }));
