/**
 * The invitation to a direct conversation: signed by the inviter's device, then sealed to the invitee's RSA keys, with
 * both accounts, group and epoch inside the signature, so that nobody can pass it on to a third as if meant for them.
 *
 *     sealed object, purpose "invite", context = group 16 | epoch u64
 *     body   := version u8 (1) | signed vec32 | signature 64 (Ed25519)
 *     signed := "securechat/invitation v1" (24 bytes) | inviter account 16 | inviter device 16 | invitee account 16
 *             | group 16 | epoch u64 | generation u64 | predecessor vec16 (0 or 16) | nonce 32 | invite secret 32
 *             | welcome vec32 | account_jws vec16 | list_jws vec16 | device count u8 | count × device_jws vec16
 *
 * The label cannot begin an MLS signature ("MLS 1.0 " behind a length byte) nor an attach transcript.
 */
import type { AccountBundle, Entropy, SealedOpener } from '@securechat/crypto';
import {
  ed25519,
  ED25519_SIGNATURE_BYTES,
  openSealed,
  sealTo,
  sha256,
  verifyAccountBundle,
  wipe,
} from '@securechat/crypto';
import type { AccountId, DeviceId, Fingerprint, GroupId } from '@securechat/wire';
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  defaultLimits,
  ID_BYTES,
  idBytes,
  idOf,
  SecureChatError,
} from '@securechat/wire';
import { groupAndEpoch } from './capsule.ts';
import type { OwnDevice } from './credential.ts';
import type { ExternalPsk } from './engine.ts';

const VERSION = 1;
const utf8 = new TextEncoder();
const LABEL = utf8.encode('securechat/invitation v1');
const PSK_LABEL = utf8.encode('securechat/invite v1');

/** A group is founded with one commit. */
export const FOUNDING_EPOCH = 1;

/** The external PSK of a founding, and the nonce that its id is made of. */
export interface InviteSecret {
  readonly nonce: Uint8Array;
  readonly psk: ExternalPsk;
}

export function createInviteSecret(group: GroupId, entropy: Entropy): InviteSecret {
  const nonce = entropy(32);
  return { nonce, psk: { id: pskId(group, nonce), secret: entropy(32) } };
}

function pskId(group: GroupId, nonce: Uint8Array): Uint8Array {
  return sha256(concatBytes(PSK_LABEL, idBytes(group), nonce));
}

export interface InvitationInput {
  readonly me: OwnDevice;
  readonly invitee: AccountBundle;
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  readonly secret: InviteSecret;
  readonly welcome: Uint8Array;
  readonly entropy: Entropy;
}

/** Sealed to every device of the invitee and to their recovery key. TOO_LARGE over `invitationBytesMax`. */
export function sealInvitation(input: InvitationInput): Uint8Array<ArrayBuffer> {
  const { me, invitee, group, secret } = input;
  const { person } = me;
  const writer = new ByteWriter(16 * 1024)
    .raw(LABEL)
    .raw(idBytes(person.account.account))
    .raw(idBytes(me.certificate.device))
    .raw(idBytes(invitee.account.account))
    .raw(idBytes(group))
    .u64(FOUNDING_EPOCH)
    .u64(input.generation)
    .vec16(input.predecessor === undefined ? new Uint8Array(0) : idBytes(input.predecessor))
    .raw(secret.nonce)
    .raw(secret.psk.secret)
    .vec32(input.welcome)
    .text16(person.account.jws)
    .text16(person.list.jws)
    .u8(person.devices.length);
  for (const { jws } of person.devices) writer.text16(jws);
  const signed = writer.done();
  const signature = ed25519.sign(me.signing, signed);
  const body = new ByteWriter(signed.length + 80).u8(VERSION).vec32(signed).raw(signature).done();
  const sealed = sealTo({
    recipients: [invitee.account.recoverySealing, ...invitee.devices.map(({ sealing }) => sealing)],
    purpose: 'invite',
    context: groupAndEpoch(group, FOUNDING_EPOCH),
    plaintext: body,
    entropy: input.entropy,
  });
  wipe(signed, body);
  if (sealed.length > defaultLimits.invitationBytesMax) throw new SecureChatError('TOO_LARGE');
  return sealed;
}

export type InvitationRefusal =
  /** Not sealed to these keys, for another group or purpose, or tampered with. */
  | 'unopened'
  | 'malformed'
  /** Meant for another account, or for another group than it was delivered for. */
  | 'not-for-me'
  /** Claims to come from the invitee. */
  | 'from-self'
  /** The inviter's certificates do not hold. */
  | 'certificate'
  /** Not signed by the device that it names. */
  | 'bad-signature';

/** A verified invitation. Whether the inviter's identity is the pinned one is the caller's to decide before joining. */
export interface OpenedInvitation {
  readonly kind: 'opened';
  readonly group: GroupId;
  readonly generation: number;
  readonly predecessor: GroupId | undefined;
  /** As the invitation carries it; verified in itself and for this server. */
  readonly inviter: AccountBundle;
  readonly inviterDevice: DeviceId;
  readonly psk: ExternalPsk;
  readonly welcome: Uint8Array;
  /** After joining (or refusing) for good. */
  readonly wipe: readonly Uint8Array[];
}

export interface OpenInvitationInput {
  readonly sealed: Uint8Array;
  /** The group of the mailbox row. */
  readonly group: GroupId;
  /** Our account. */
  readonly invitee: AccountId;
  /** Our sealing keys: current and previous, or the recovery key. */
  readonly openers: readonly SealedOpener[];
  readonly server: Fingerprint;
  readonly nowMs: number;
  readonly entropy: Entropy;
}

export async function openInvitation(
  input: OpenInvitationInput,
): Promise<OpenedInvitation | { readonly kind: 'refused'; readonly reason: InvitationRefusal }> {
  if (input.sealed.length > defaultLimits.invitationBytesMax) return refused('malformed');
  const body = await openSealed({
    sealed: input.sealed,
    openers: input.openers,
    purpose: 'invite',
    context: groupAndEpoch(input.group, FOUNDING_EPOCH),
    entropy: input.entropy,
  });
  if (body === undefined) return refused('unopened');
  const parts = parse(body);
  if (parts === undefined) return refused('malformed');
  if (parts.invitee !== input.invitee || parts.group !== input.group || parts.epoch !== FOUNDING_EPOCH)
    return refused('not-for-me');
  if (parts.inviter === input.invitee) return refused('from-self');
  const inviter = await bundleIn(parts, input);
  const device = inviter?.devices.find(({ device }) => device === parts.inviterDevice);
  if (inviter === undefined || device === undefined) return refused('certificate');
  if (!ed25519.verify(device.signing, parts.signed, parts.signature)) return refused('bad-signature');
  return {
    kind: 'opened',
    group: parts.group,
    generation: parts.generation,
    predecessor: parts.predecessor,
    inviter,
    inviterDevice: parts.inviterDevice,
    psk: { id: pskId(parts.group, parts.nonce), secret: parts.secret },
    welcome: parts.welcome,
    wipe: [body, parts.secret],
  };
}

type Parts = NonNullable<ReturnType<typeof parse>>;

function parse(body: Uint8Array) {
  try {
    const outer = new ByteReader(body);
    if (outer.u8() !== VERSION) return undefined;
    const signed = outer.vec32();
    const signature = outer.raw(ED25519_SIGNATURE_BYTES);
    outer.end();
    const reader = new ByteReader(signed);
    const label = reader.raw(LABEL.length);
    if (!LABEL.every((byte, at) => label[at] === byte)) return undefined;
    const inviter = idOf<AccountId>(reader.raw(ID_BYTES));
    const inviterDevice = idOf<DeviceId>(reader.raw(ID_BYTES));
    const invitee = idOf<AccountId>(reader.raw(ID_BYTES));
    const group = idOf<GroupId>(reader.raw(ID_BYTES));
    const epoch = reader.u64();
    const generation = reader.u64();
    const predecessor = reader.vec16();
    const nonce = reader.raw(32);
    const secret = reader.raw(32).slice();
    const welcome = reader.vec32();
    const accountJws = reader.text16();
    const listJws = reader.text16();
    const count = reader.u8();
    if (generation < 1 || count > defaultLimits.devicesPerAccountMax) return undefined;
    const deviceJws = Array.from({ length: count }, () => reader.text16());
    reader.end();
    return {
      signed,
      signature,
      inviter,
      inviterDevice,
      invitee,
      group,
      epoch,
      generation,
      predecessor: predecessor.length === 0 ? undefined : idOf<GroupId>(predecessor),
      nonce,
      secret,
      welcome,
      bundle: { accountJws, listJws, deviceJws },
    };
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

async function bundleIn(parts: Parts, input: OpenInvitationInput): Promise<AccountBundle | undefined> {
  try {
    const { server, nowMs } = input;
    return await verifyAccountBundle({ ...parts.bundle, account: parts.inviter, server, nowMs });
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

function refused(reason: InvitationRefusal): { readonly kind: 'refused'; readonly reason: InvitationRefusal } {
  return { kind: 'refused', reason };
}
