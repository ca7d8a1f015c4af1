/**
 * The four hot frames, in fixed layouts (docs/protocol/delivery.md). All integers big-endian, all ids 16 bytes.
 *
 *     submit    id | kind u8 | flags u8 | group | epoch u64 | submit number u64 | chain number u64 | lowest unresolved u64 | payload
 *     accepted  id | presence u8 | device count u8 | count × (device, state u8)
 *     refused   id | Failure (protobuf)
 *     deliver   seq u64 | kind u8 | group | stored at, ms u64 | payload
 *     ack       up to seq u64
 *
 * The payload of a `message` is the MLS ciphertext, opaque to the server. Of `found` and `commit` it is the protobuf
 * message `Founding` or `Commit`.
 */
import { ByteReader, ByteWriter } from './bytes.ts';
import { SecureChatError } from './codes.ts';
import type { ClientId, DeviceId, GroupId, MailboxSeq } from './ids.ts';
import { ID_BYTES, idBytes, idOf } from './ids.ts';

export const submitKinds = { message: 1, commit: 2, found: 3 } as const;
export type SubmitKind = keyof typeof submitKinds;

export interface Submit {
  /** Client id: dedupe key together with the device. Resends are byte-identical. */
  readonly id: ClientId;
  readonly kind: SubmitKind;
  /** Refuse with RECIPIENT_OFFLINE instead of storing for later. */
  readonly onlineOnly: boolean;
  readonly group: GroupId;
  /** The epoch the payload was made in; for a founding the epoch it results in. */
  readonly epoch: number;
  /** Device-wide, 1.., +1 per new submission (never for a resend). */
  readonly submitNumber: number;
  /** Per group and device, 1.., +1 per message or `skipped` notice; 0 for commit. A founding's first message is 1. */
  readonly chainNumber: number;
  /** The lowest submit number not answered yet; the server forgets dedupe rows below it. */
  readonly lowestUnresolved: number;
  readonly payload: Uint8Array;
}

const ONLINE_ONLY = 1;
const SUBMIT_HEADER_BYTES = ID_BYTES + 2 + ID_BYTES + 4 * 8;

export function encodeSubmit(submit: Submit): Uint8Array<ArrayBuffer> {
  return new ByteWriter(SUBMIT_HEADER_BYTES + submit.payload.length)
    .raw(idBytes(submit.id))
    .u8(submitKinds[submit.kind])
    .u8(submit.onlineOnly ? ONLINE_ONLY : 0)
    .raw(idBytes(submit.group))
    .u64(submit.epoch)
    .u64(submit.submitNumber)
    .u64(submit.chainNumber)
    .u64(submit.lowestUnresolved)
    .raw(submit.payload)
    .done();
}

export function decodeSubmit(body: Uint8Array): Submit {
  const reader = new ByteReader(body);
  const id = idOf<ClientId>(reader.raw(ID_BYTES));
  const kind = kindNamed(submitKinds, reader.u8());
  const flags = reader.u8();
  if (flags > ONLINE_ONLY) throw new SecureChatError('MALFORMED');
  return {
    id,
    kind,
    onlineOnly: flags === ONLINE_ONLY,
    group: idOf<GroupId>(reader.raw(ID_BYTES)),
    epoch: reader.u64(),
    submitNumber: reader.u64(),
    chainNumber: reader.u64(),
    lowestUnresolved: reader.u64(),
    payload: reader.rest(),
  };
}

/** What the server did for one device: `resync`: it was full and got a RESYNC_REQUIRED row instead. */
export const storedStates = { stored: 1, resync: 2 } as const;
export type StoredState = keyof typeof storedStates;

/** Whether a recipient is connected now; `unknown` where the sender may not know. */
export const presences = { unknown: 0, online: 1, offline: 2 } as const;
export type Presence = keyof typeof presences;

export interface Accepted {
  readonly id: ClientId;
  readonly presence: Presence;
  readonly devices: readonly { readonly device: DeviceId; readonly state: StoredState }[];
}

export function encodeAccepted(accepted: Accepted): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(ID_BYTES + 2 + accepted.devices.length * (ID_BYTES + 1))
    .raw(idBytes(accepted.id))
    .u8(presences[accepted.presence])
    .u8(accepted.devices.length);
  for (const { device, state } of accepted.devices) writer.raw(idBytes(device)).u8(storedStates[state]);
  return writer.done();
}

export function decodeAccepted(body: Uint8Array): Accepted {
  const reader = new ByteReader(body);
  const id = idOf<ClientId>(reader.raw(ID_BYTES));
  const presence = kindNamed(presences, reader.u8());
  const devices = Array.from({ length: reader.u8() }, () => ({
    device: idOf<DeviceId>(reader.raw(ID_BYTES)),
    state: kindNamed(storedStates, reader.u8()),
  }));
  reader.end();
  return { id, presence, devices };
}

/**
 * What a mailbox row is. `message`: payload as submitted. `commit`, `invitation`: that part of it. `bounce`: protobuf `Bounce`, a row of
 * ours that never reached its device. `resync`, `expired`: protobuf `Missing`.
 */
export const rowKinds = { message: 1, commit: 2, invitation: 3, bounce: 4, resync: 5, expired: 6 } as const;
export type RowKind = keyof typeof rowKinds;

export interface Deliver {
  readonly seq: MailboxSeq;
  readonly kind: RowKind;
  /** The group, or 16 zero bytes where there is none. */
  readonly group: GroupId;
  /** Server clock, Unix ms; for people, never for order. */
  readonly storedAtMs: number;
  readonly payload: Uint8Array;
}

const DELIVER_HEADER_BYTES = 8 + 1 + ID_BYTES + 8;

export function encodeDeliver(row: Deliver): Uint8Array<ArrayBuffer> {
  return new ByteWriter(DELIVER_HEADER_BYTES + row.payload.length)
    .u64(row.seq)
    .u8(rowKinds[row.kind])
    .raw(idBytes(row.group))
    .u64(row.storedAtMs)
    .raw(row.payload)
    .done();
}

export function decodeDeliver(body: Uint8Array): Deliver {
  const reader = new ByteReader(body);
  return {
    seq: reader.u64() as MailboxSeq,
    kind: kindNamed(rowKinds, reader.u8()),
    group: idOf<GroupId>(reader.raw(ID_BYTES)),
    storedAtMs: reader.u64(),
    payload: reader.rest(),
  };
}

export function encodeAck(upTo: MailboxSeq): Uint8Array<ArrayBuffer> {
  return new ByteWriter(8).u64(upTo).done();
}

export function decodeAck(body: Uint8Array): MailboxSeq {
  const reader = new ByteReader(body);
  const seq = reader.u64() as MailboxSeq;
  reader.end();
  return seq;
}

function kindNamed<Name extends string>(table: Readonly<Record<Name, number>>, value: number): Name {
  for (const name in table) if (table[name] === value) return name;
  throw new SecureChatError('MALFORMED', { text: 'A kind is not known.' });
}
