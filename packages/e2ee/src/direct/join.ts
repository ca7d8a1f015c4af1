/** Joining a direct conversation by an invitation: the group must be what the invitation says. */
import type { AccountBundle } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import { idOf } from '@securechat/wire';
import type { OwnDevice } from '../credential.ts';
import { credentialCheck, deviceBehind, ownLeaf } from '../credential.ts';
import type { Advanced, EngineRefusal, MlsEngine } from '../engine.ts';
import { decodeDirectContext } from '../group-context.ts';
import type { OpenedInvitation } from '../invitation.ts';
import { FOUNDING_EPOCH } from '../invitation.ts';
import type { RosterRefusal } from '../roster.ts';
import { verifyRoster } from '../roster.ts';

export interface JoinDirectInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly invitation: OpenedInvitation;
  /** The inviter's newest bundle known, after the key-change rules. */
  readonly inviter: AccountBundle;
  /** A key package of this device that the welcome is for (`welcomedReferences`), with its secrets. */
  readonly keyPackage: Uint8Array;
  readonly secrets: Uint8Array;
  readonly nowMs: number;
}

export interface JoinedDirect extends Advanced {
  readonly kind: 'joined';
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
}

export type JoinRefusal =
  | EngineRefusal
  | RosterRefusal
  /** The inviter's device is not the one that signed GroupInfo. */
  | 'not-the-signer'
  /** Group, generation or predecessor differ between invitation and group. */
  | 'other-context';

/** `wipe` names the key package's secrets: they go with the last-resort package kept only if it is published still. */
export function joinDirect(
  input: JoinDirectInput,
): JoinedDirect | { readonly kind: 'refused'; readonly reason: JoinRefusal } {
  const { engine, me, invitation, inviter, nowMs } = input;
  const people = [me.person, inviter];
  const joined = engine.join({
    welcome: invitation.welcome,
    keyPackage: input.keyPackage,
    secrets: input.secrets,
    own: ownLeaf(me),
    psk: invitation.psk,
    check: credentialCheck(people, nowMs),
    nowMs,
  });
  if (joined.kind === 'refused') return joined;
  const reason = joinObjection(input, joined, people);
  if (reason !== undefined) {
    engine.discard(joined.state);
    return { kind: 'refused', reason };
  }
  const { state, epoch } = joined;
  const { group, generation, predecessor } = invitation;
  return { kind: 'joined', state, epoch, group, generation, predecessor, wipe: [...joined.wipe, ...invitation.wipe] };
}

function joinObjection(
  { me, invitation, inviter }: JoinDirectInput,
  joined: Extract<ReturnType<MlsEngine['join']>, { kind: 'joined' }>,
  people: readonly AccountBundle[],
): JoinRefusal | undefined {
  const verdict = verifyRoster(joined.roster, joined.context, people);
  if (verdict.kind === 'refused') return verdict.reason;
  const context = decodeDirectContext(joined.context);
  const sameGroup = idOf<GroupId>(joined.group) === invitation.group && joined.epoch === FOUNDING_EPOCH;
  const sameContext = context?.generation === invitation.generation && context.predecessor === invitation.predecessor;
  const bothIn = [me.person, inviter].every(({ account }) => context?.accounts.includes(account.account));
  if (!sameGroup || !sameContext || !bothIn) return 'other-context';
  const signer = deviceBehind([inviter], joined.signer);
  return signer?.certificate.device === invitation.inviterDevice ? undefined : 'not-the-signer';
}
