/** One epoch in storage: public and secret parts of a state that a commit replaces as a whole. */
import { EMPTY } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import { decode } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';
import { readGroupContext, writeGroupContext } from '../schedule/group-context.ts';
import type { EpochSecrets } from '../schedule/key-schedule.ts';
import { decodeTree, encodeTree } from '../tree/tree-extension.ts';
import { readReInit, writeReInit } from './proposal.ts';
import type { Epoch, GroupStatus } from './state.ts';
import { STORED_ITEMS_MAX, readSecretTree, writeSecretTree } from './store-secret-tree.ts';

export function writeEpoch(writer: Writer, epoch: Epoch): void {
  writeGroupContext(writer, epoch.context);
  writer.vector(encodeTree(epoch.tree)).u32(epoch.ownLeaf);
  const keys = [...epoch.privateKeys].toSorted(([a], [b]) => a - b);
  writer.list(keys, (w, [node, key]) => w.u32(node).vector(key));
  const { senderData, exporter, external, confirmation, membership, resumption, authenticator, init } = epoch.secrets;
  for (const secret of [senderData, exporter, external, confirmation, membership, resumption, authenticator, init])
    writer.vector(secret);
  writeSecretTree(writer, epoch.secretTree);
  writer.vector(epoch.confirmationTag).vector(epoch.interimTranscriptHash);
  writeStatus(writer, epoch.status);
}

export function readEpoch(reader: Reader, suite: Suite): Epoch {
  return {
    context: readGroupContext(reader),
    tree: decodeTree(suite, reader.vector()),
    ownLeaf: reader.u32(),
    privateKeys: new Map(reader.list((r) => [r.u32(), owned(r)] as const, STORED_ITEMS_MAX)),
    secrets: readSecrets(reader),
    secretTree: readSecretTree(reader, suite),
    confirmationTag: owned(reader),
    interimTranscriptHash: owned(reader),
    status: readStatus(reader),
  };
}

function readSecrets(reader: Reader): EpochSecrets {
  return {
    senderData: owned(reader),
    exporter: owned(reader),
    external: owned(reader),
    confirmation: owned(reader),
    membership: owned(reader),
    resumption: owned(reader),
    authenticator: owned(reader),
    init: owned(reader),
  };
}

/** A copy of its own, that can be wiped by itself. */
export function owned(reader: Reader): Uint8Array {
  const bytes = reader.vector();
  return bytes.length === 0 ? EMPTY : bytes.slice();
}

function writeStatus(writer: Writer, status: GroupStatus): void {
  if (status.kind === 'reinitialised') writer.u8(2).vectorOf((w) => writeReInit(w, status.reinit));
  else writer.u8(status.kind === 'active' ? 1 : 3);
}

function readStatus(reader: Reader): GroupStatus {
  switch (reader.u8()) {
    case 1:
      return { kind: 'active' };
    case 2:
      return { kind: 'reinitialised', reinit: decode(reader.vector().slice(), readReInit) };
    case 3:
      return { kind: 'removed' };
    default:
      throw new MlsError('damaged-state', 'status');
  }
}
