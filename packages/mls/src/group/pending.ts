/**
 * A commit of ours in storage, from before it is sent until it is merged or dropped. Secret.
 *
 *     PendingCommit := suite u16 | group id <V> | epoch before u64 | hash <V> | intent <V> | Epoch | SHA-256 of all before
 */
import { equalPublic } from '../codec/bytes.ts';
import { Reader } from '../codec/reader.ts';
import { Writer } from '../codec/writer.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { suiteOf } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import type { PendingCommit } from './commit.ts';
import { readEpoch, writeEpoch } from './store-epoch.ts';

const HASH_BYTES = 32;

export function encodePending(pending: PendingCommit): Uint8Array {
  const { suite } = pending.epoch.tree;
  const writer = new Writer(1 << 14).u16(suite.id).vector(pending.groupId).u64(pending.epochBefore);
  writeEpoch(writer.vector(pending.hash).vector(pending.intent), pending.epoch);
  const body = writer.doneSecret();
  const encoded = new Uint8Array(body.length + HASH_BYTES);
  encoded.set(body);
  encoded.set(suite.provider.hash('sha256', body), body.length);
  body.fill(0);
  return encoded;
}

/** `damaged-state` for anything else than what was written. */
export function decodePending(provider: CryptoProvider, encoded: Uint8Array): PendingCommit {
  demand(encoded.length > HASH_BYTES, 'damaged-state', 'too short');
  const body = encoded.subarray(0, -HASH_BYTES);
  const checksum = provider.hash('sha256', body);
  demand(equalPublic(checksum, encoded.subarray(-HASH_BYTES)), 'damaged-state', 'checksum');
  try {
    const reader = new Reader(body);
    const suite = suiteOf(provider, reader.u16());
    return {
      groupId: reader.vector().slice(),
      epochBefore: reader.u64(),
      hash: reader.vector().slice(),
      intent: reader.vector().slice(),
      epoch: readEpoch(reader, suite),
    };
  } catch (error) {
    throw new MlsError('damaged-state', 'pending commit', { cause: error });
  }
}
