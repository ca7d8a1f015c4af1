/**
 * What all members of an epoch agree on (RFC 9420 §8.1).
 *
 *     GroupContext := version u16 | suite u16 | group id <V> | epoch u64 | tree hash <V>
 *                     | confirmed transcript hash <V> | Extension<V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { encode } from '../codec/writer.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import type { Extension } from '../tree/extension.ts';
import { readExtensions, writeExtensions } from '../tree/extension.ts';

export interface GroupContext {
  readonly suite: number;
  readonly groupId: Uint8Array;
  readonly epoch: bigint;
  readonly treeHash: Uint8Array;
  readonly confirmedTranscriptHash: Uint8Array;
  readonly extensions: readonly Extension[];
}

export function writeGroupContext(writer: Writer, context: GroupContext): void {
  const { suite, groupId, epoch, treeHash, confirmedTranscriptHash, extensions } = context;
  writer.u16(PROTOCOL_VERSION).u16(suite).vector(groupId).u64(epoch).vector(treeHash);
  writeExtensions(writer.vector(confirmedTranscriptHash), extensions);
}

export function readGroupContext(reader: Reader): GroupContext {
  if (reader.u16() !== PROTOCOL_VERSION) throw new MlsError('unsupported', 'protocol version');
  return {
    suite: reader.u16(),
    groupId: reader.vector().slice(),
    epoch: reader.u64(),
    treeHash: reader.vector().slice(),
    confirmedTranscriptHash: reader.vector().slice(),
    extensions: readExtensions(reader).map(({ type, data }) => ({ type, data: data.slice() })),
  };
}

const encodings = new WeakMap<GroupContext, Uint8Array>();

/** Signed with every message, so kept as long as the context is. */
export function encodeGroupContext(context: GroupContext): Uint8Array {
  const kept = encodings.get(context);
  if (kept !== undefined) return kept;
  const encoded = encode((writer) => writeGroupContext(writer, context));
  encodings.set(context, encoded);
  return encoded;
}
