/** The facts of a founding as a submit carries them, and the slot of a pair of accounts. */
import { hmacSha256 } from '@securechat/crypto';
import type { AccountId, control, DeviceId, GroupId } from '@securechat/wire';
import { ByteWriter, ID_BYTES, idBytes, idOf, limits, SecureChatError } from '@securechat/wire';
import type { FoundingFacts } from '../stores/port.ts';

/** MALFORMED for ids of a wrong size or more devices than two accounts can have. */
export function foundingFacts(founding: control.Founding, own: AccountId, slotKey: Uint8Array): FoundingFacts {
  const { peerSequence, ownSequence, generation, predecessor, devices } = founding;
  if (devices.length > 2 * limits.devicesPerAccountMax.value) throw new SecureChatError('MALFORMED');
  const peer = idOf<AccountId>(founding.peerAccount);
  return {
    slot: slotOf(slotKey, { account: own, sequence: ownSequence }, { account: peer, sequence: peerSequence }),
    peer,
    peerSequence,
    ownSequence,
    generation,
    predecessor: predecessor.length === 0 ? undefined : idOf<GroupId>(predecessor),
    devices: devices.map((device) => idOf<DeviceId>(device)),
    invitation: founding.invitation,
    capsule: founding.capsule,
    firstMessage: founding.firstMessage.length === 0 ? undefined : founding.firstMessage,
  };
}

interface Person {
  readonly account: AccountId;
  readonly sequence: number;
}

/** 32 bytes, the same from both sides. Keyed: a slot by itself does not say whose it is. */
export function slotOf(key: Uint8Array, one: Person, other: Person): Uint8Array {
  const people = [one, other].sort((a, b) => (a.account < b.account ? -1 : 1));
  const writer = new ByteWriter(2 * (ID_BYTES + 8));
  for (const { account, sequence } of people) writer.raw(idBytes(account)).u64(sequence);
  return hmacSha256(key, writer.done());
}
