/**
 * Founding a direct conversation: one MLS group of the devices of exactly two accounts (docs/protocol/conversations.md).
 * A function from state to state, as all of this folder; who stores what, and when, is the client's affair.
 */
import type { AccountBundle, Entropy } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import type { control, DeviceId, GroupId } from '@securechat/wire';
import { idBytes, SecureChatError } from '@securechat/wire';
import { sealCapsule } from '../capsule.ts';
import type { ContentDraft } from '../content.ts';
import type { OwnDevice } from '../credential.ts';
import { credentialCheck, ownLeaf } from '../credential.ts';
import type { Advanced, EngineRefusal, GroupState, MlsEngine } from '../engine.ts';
import { encodeDirectContext } from '../group-context.ts';
import { createInviteSecret, FOUNDING_EPOCH, sealInvitation } from '../invitation.ts';
import type { KeyPackageVerdict } from '../key-package.ts';
import { checkKeyPackage, validityFrom } from '../key-package.ts';
import type { RosterRefusal } from '../roster.ts';
import { verifyRoster } from '../roster.ts';
import type { EncryptedContent } from './encrypt.ts';
import { encryptContent } from './encrypt.ts';

export interface FoundDirectInput {
  readonly engine: MlsEngine;
  readonly me: OwnDevice;
  readonly peer: AccountBundle;
  /** As claimed: one for each device of the peer's newest list. */
  readonly keyPackages: readonly { readonly device: DeviceId; readonly keyPackage: Uint8Array }[];
  /** 16 fresh random bytes. */
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  /** The first message, which becomes chain number 1. */
  readonly first?: ContentDraft;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

export interface FoundedDirect extends Advanced {
  readonly kind: 'founded';
  /** The payload of the one atomic submit; encode with `control.Founding`. */
  readonly founding: control.Founding;
  /** Highest chain number used: 1 with a first message, else 0. */
  readonly chainNumber: number;
}

export type FoundRefusal =
  /** A device of the peer has no key package, or there is none at all (NO_KEYS). */
  | 'no-keys'
  | Exclude<Extract<KeyPackageVerdict, { kind: 'refused' }>['reason'], 'malformed'>
  | EngineRefusal
  | RosterRefusal;

/** SELF for one's own account. Nothing of a refused founding needs to be kept. */
export function foundDirect(
  input: FoundDirectInput,
): FoundedDirect | { readonly kind: 'refused'; readonly reason: FoundRefusal } {
  const { engine, me, peer, group, generation, predecessor, nowMs, entropy } = input;
  const people = [me.person, peer];
  const accounts = [me.person.account.account, peer.account.account] as const;
  const context = encodeDirectContext({ generation, predecessor, accounts });
  const unusable = firstUnusable(input);
  if (unusable !== undefined) return { kind: 'refused', reason: unusable };

  const secret = createInviteSecret(group, entropy);
  const founded = engine.found({
    group: idBytes(group),
    context,
    own: ownLeaf(me),
    validity: validityFrom(me.certificate, nowMs),
    keyPackages: input.keyPackages.map(({ keyPackage }) => keyPackage),
    psk: secret.psk,
    check: credentialCheck(people, nowMs),
    nowMs,
    entropy,
  });
  if (founded.kind === 'refused') return founded;
  const verdict = verifyRoster(engine.facts(founded.state).roster, context, people);
  if (verdict.kind === 'refused') {
    engine.discard(founded.state);
    return verdict;
  }

  const { welcome, epoch } = founded;
  if (epoch !== FOUNDING_EPOCH) throw new SecureChatError('INTERNAL', { text: 'A founding made another epoch.' });
  const invitation = sealInvitation({ me, invitee: peer, group, generation, predecessor, secret, welcome, entropy });
  wipe(secret.psk.secret);
  const groupInfo = engine.exportGroupInfo({ state: founded.state, signing: me.signing });
  const capsule = sealCapsule({ groupInfo, group, epoch, people, entropy });
  const first = firstMessage(input, founded.state);
  return {
    kind: 'founded',
    state: first?.state ?? founded.state,
    epoch,
    wipe: first?.wipe ?? [],
    chainNumber: first === undefined ? 0 : 1,
    founding: {
      peerAccount: idBytes(peer.account.account),
      peerSequence: peer.account.sequence,
      ownSequence: me.person.account.sequence,
      generation,
      predecessor: predecessor === undefined ? new Uint8Array(0) : idBytes(predecessor),
      devices: [me.certificate.device, ...peer.devices.map(({ device }) => device)].map(idBytes),
      invitation,
      capsule,
      firstMessage: first?.ciphertext ?? new Uint8Array(0),
    },
  };
}

function firstUnusable(input: FoundDirectInput): FoundRefusal | undefined {
  const { engine, peer, keyPackages, nowMs } = input;
  if (peer.devices.length === 0) return 'no-keys';
  for (const certificate of peer.devices) {
    const claimed = keyPackages.find(({ device }) => device === certificate.device);
    if (claimed === undefined) return 'no-keys';
    const device = { person: peer, certificate };
    const verdict = checkKeyPackage({ engine, keyPackage: claimed.keyPackage, device, nowMs });
    if (verdict.kind === 'refused') return verdict.reason;
  }
  return keyPackages.length === peer.devices.length ? undefined : 'foreign';
}

function firstMessage(input: FoundDirectInput, state: GroupState): EncryptedContent | undefined {
  const { engine, me, group, entropy, first } = input;
  if (first === undefined) return undefined;
  return encryptContent({ engine, me, group, state, entropy, chainNumber: 1, content: first });
}
