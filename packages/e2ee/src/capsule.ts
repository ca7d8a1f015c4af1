/**
 * The capsule: GroupInfo with tree and external public key, sealed to every member device and every recovery key, kept by
 * the server for a member that lost its state. Nobody else can read who is in a group from it.
 *
 *     sealed object, purpose "capsule", context = group 16 | epoch u64, content = GroupInfo (MLSMessage)
 */
import type { AccountBundle, Entropy, SealedOpener } from '@securechat/crypto';
import { openSealed, sealTo } from '@securechat/crypto';
import type { GroupId } from '@securechat/wire';
import { ByteWriter, defaultLimits, idBytes, SecureChatError } from '@securechat/wire';

export interface CapsuleInput {
  readonly groupInfo: Uint8Array;
  readonly group: GroupId;
  /** The epoch that `groupInfo` describes. */
  readonly epoch: number;
  /** All members' bundles, our own included. */
  readonly people: readonly AccountBundle[];
  readonly entropy: Entropy;
}

/** TOO_LARGE over `capsuleBytesMax`. */
export function sealCapsule(input: CapsuleInput): Uint8Array<ArrayBuffer> {
  const recipients = input.people.flatMap(({ account, devices }) => [
    account.recoverySealing,
    ...devices.map(({ sealing }) => sealing),
  ]);
  const context = groupAndEpoch(input.group, input.epoch);
  const sealed = sealTo({
    recipients,
    purpose: 'capsule',
    context,
    plaintext: input.groupInfo,
    entropy: input.entropy,
  });
  if (sealed.length > defaultLimits.capsuleBytesMax) throw new SecureChatError('TOO_LARGE');
  return sealed;
}

/** The GroupInfo; undefined when anything is wrong, another group or epoch included. */
export function openCapsule(input: {
  readonly sealed: Uint8Array;
  readonly group: GroupId;
  readonly epoch: number;
  readonly openers: readonly SealedOpener[];
  readonly entropy: Entropy;
}): Promise<Uint8Array | undefined> {
  const { sealed, openers, entropy } = input;
  return openSealed({
    sealed,
    openers,
    purpose: 'capsule',
    context: groupAndEpoch(input.group, input.epoch),
    entropy,
  });
}

/** What capsules and invitations are bound to. */
export function groupAndEpoch(group: GroupId, epoch: number): Uint8Array<ArrayBuffer> {
  return new ByteWriter(24).raw(idBytes(group)).u64(epoch).done();
}
