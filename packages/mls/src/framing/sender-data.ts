/**
 * Who sent a private message, and with which key (RFC 9420 §6.3.2). Sealed under a key that depends on the ciphertext.
 *
 *     SenderData := leaf u32 | generation u32 | reuse guard 4
 */
import { Reader } from '../codec/reader.ts';
import { Writer, vectorBytes } from '../codec/writer.ts';
import { AEAD_NONCE_BYTES } from '../crypto/hpke.ts';
import { expandWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import type { LeafIndex } from '../tree/tree-math.ts';
import type { ContentType } from './content.ts';
import { contentTypeNumbers } from './content.ts';

export interface SenderData {
  readonly leaf: LeafIndex;
  readonly generation: number;
  /** 4 bytes. */
  readonly reuseGuard: Uint8Array;
}

export const REUSE_GUARD_BYTES = 4;
const SENDER_DATA_BYTES = 12;

/** What stands in clear on a private message before its authenticated data. */
export interface PrivateHead {
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly contentType: ContentType;
}

/** Of `writeHead`. */
export function headBytes({ groupId }: PrivateHead): number {
  return vectorBytes(groupId) + 8 + 1;
}

export function writeHead(writer: Writer, { groupId, epoch, contentType }: PrivateHead): void {
  writer.vector(groupId).u64(epoch).u8(contentTypeNumbers[contentType]);
}

function encodeHead(head: PrivateHead): Uint8Array {
  const writer = new Writer(headBytes(head));
  writeHead(writer, head);
  return writer.view();
}

interface SenderDataKey {
  readonly secret: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** Of the first KDF.Nh bytes of the content's ciphertext. */
export function senderDataKey(
  suite: Suite,
  { secret, ciphertext }: SenderDataKey,
): { readonly key: Uint8Array; readonly nonce: Uint8Array } {
  const context = ciphertext.subarray(0, suite.hashBytes);
  return {
    key: expandWithLabel(suite, { secret, label: 'key', context, length: suite.keyBytes }),
    nonce: expandWithLabel(suite, { secret, label: 'nonce', context, length: AEAD_NONCE_BYTES }),
  };
}

export function sealSenderData(
  suite: Suite,
  data: SenderData,
  input: SenderDataKey & { head: PrivateHead },
): Uint8Array {
  const plaintext = new Writer(SENDER_DATA_BYTES).u32(data.leaf).u32(data.generation).raw(data.reuseGuard).view();
  const aad = encodeHead(input.head);
  return suite.provider.seal(suite.aead, { ...senderDataKey(suite, input), aad, plaintext });
}

/** `undecryptable` when it does not authenticate. */
export function openSenderData(
  suite: Suite,
  sealed: Uint8Array,
  input: SenderDataKey & { head: PrivateHead },
): SenderData {
  const aad = encodeHead(input.head);
  const opened = suite.provider.open(suite.aead, { ...senderDataKey(suite, input), aad, ciphertext: sealed });
  if (opened?.length !== SENDER_DATA_BYTES) throw new MlsError('undecryptable', 'sender data');
  const reader = new Reader(opened);
  return { leaf: reader.u32(), generation: reader.u32(), reuseGuard: reader.raw(REUSE_GUARD_BYTES) };
}
