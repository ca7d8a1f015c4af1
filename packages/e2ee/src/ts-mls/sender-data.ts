/**
 * The sender data of a PrivateMessage (RFC 9420 §6.3.2): which leaf, which generation. ts-mls opens it as well but does
 * not tell; it is opened here first, so that a replay, a message of our own and one that is too far ahead are told apart
 * before any ratchet moves.
 *
 *     SenderData    := leaf index u32 | generation u32 | reuse guard 4
 *     SenderDataAAD := group id <V> | epoch u64 | content type u8
 */
import type { Aead, HashName } from '@securechat/crypto';
import { AEAD_NONCE_BYTES, hashBytes, hkdfExpand } from '@securechat/crypto';
import { ByteReader, ByteWriter } from '@securechat/wire';

export interface SenderData {
  readonly leafIndex: number;
  readonly generation: number;
}

export interface SealedSenderData {
  readonly group: Uint8Array;
  readonly epoch: number;
  readonly contentType: 'application' | 'proposal' | 'commit';
  readonly encryptedSenderData: Uint8Array;
  readonly ciphertext: Uint8Array;
  /** `sender_data_secret` of the epoch. */
  readonly secret: Uint8Array;
  readonly hash: Extract<HashName, 'sha256' | 'sha512'>;
  readonly aead: Aead & { readonly keyBytes: number };
}

const contentTypes = { application: 1, proposal: 2, commit: 3 } as const;
const SENDER_DATA_BYTES = 12;

/** Undefined when it does not authenticate. */
export function openSenderData(sealed: SealedSenderData): SenderData | undefined {
  const { hash, aead, secret } = sealed;
  const sample = sealed.ciphertext.subarray(0, hashBytes[hash]);
  const key = expandWithLabel(hash, secret, 'key', sample, aead.keyBytes);
  const nonce = expandWithLabel(hash, secret, 'nonce', sample, AEAD_NONCE_BYTES);
  const writer = new ByteWriter(64);
  const aad = vector(writer, sealed.group).u64(sealed.epoch).u8(contentTypes[sealed.contentType]).done();
  const opened = aead.open({ key, nonce, aad, ciphertext: sealed.encryptedSenderData });
  key.fill(0);
  if (opened?.length !== SENDER_DATA_BYTES) return undefined;
  const reader = new ByteReader(opened);
  return { leafIndex: reader.u32(), generation: reader.u32() };
}

/** RFC 9420 §8. */
function expandWithLabel(
  hash: SealedSenderData['hash'],
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const writer = new ByteWriter(128).u16(length);
  const info = vector(vector(writer, new TextEncoder().encode(`MLS 1.0 ${label}`)), context).done();
  return hkdfExpand(hash, secret, info, length);
}

/** A variable-size vector (RFC 9420 §2.1.2) of less than 16 KiB. */
function vector(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  if (bytes.length < 64) return writer.u8(bytes.length).raw(bytes);
  return writer.u16(0x4000 | bytes.length).raw(bytes);
}
