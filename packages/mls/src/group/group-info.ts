/**
 * A signed picture of an epoch, for those who come in (RFC 9420 §12.4.3).
 *
 *     GroupInfo := GroupContext | Extension<V> | confirmation tag <V> | signer u32 | signature <V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter, encode } from '../codec/writer.ts';
import { decode } from '../codec/reader.ts';
import { signWithLabel, verifyWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import type { GroupContext } from '../schedule/group-context.ts';
import { readGroupContext, writeGroupContext } from '../schedule/group-context.ts';
import type { Extension } from '../tree/extension.ts';
import { demandDistinct, extensionOf, extensionTypes, readExtensions, writeExtensions } from '../tree/extension.ts';
import type { RatchetTree } from '../tree/ratchet-tree.ts';
import { encodeTree } from '../tree/tree-extension.ts';
import type { LeafIndex } from '../tree/tree-math.ts';

export interface GroupInfoContent {
  readonly context: GroupContext;
  readonly extensions: readonly Extension[];
  readonly confirmationTag: Uint8Array;
  readonly signer: LeafIndex;
}

export interface GroupInfo extends GroupInfoContent {
  readonly signature: Uint8Array;
  readonly unsigned: Uint8Array;
}

export function signGroupInfo(suite: Suite, content: GroupInfoContent, privateKey: Uint8Array): GroupInfo {
  demandDistinct(content.extensions);
  const unsigned = encode((writer) => {
    writeGroupContext(writer, content.context);
    writeExtensions(writer, content.extensions);
    writer.vector(content.confirmationTag).u32(content.signer);
  });
  return {
    ...content,
    unsigned,
    signature: signWithLabel(suite, { privateKey, label: 'GroupInfoTBS', content: unsigned }),
  };
}

export function groupInfoVerifies(suite: Suite, info: GroupInfo, publicKey: Uint8Array): boolean {
  const { unsigned: content, signature } = info;
  return verifyWithLabel(suite, { publicKey, label: 'GroupInfoTBS', content, signature });
}

export function writeGroupInfo(writer: Writer, info: GroupInfo): void {
  writer.raw(info.unsigned).vector(info.signature);
}

export function readGroupInfo(reader: Reader): GroupInfo {
  const start = reader.position;
  const context = readGroupContext(reader);
  const extensions = readExtensions(reader);
  const confirmationTag = reader.vector().slice();
  const signer = reader.u32();
  const unsigned = reader.since(start);
  return { context, extensions, confirmationTag, signer, unsigned, signature: reader.vector() };
}

export function encodeGroupInfo(info: GroupInfo): Uint8Array {
  const writer = new BytesWriter(info.unsigned.length + 80);
  writeGroupInfo(writer, info);
  return writer.done();
}

/** §12.4.3.3. */
export function ratchetTreeExtension(tree: RatchetTree): Extension {
  return { type: extensionTypes.ratchetTree, data: encodeTree(tree) };
}

/** §12.4.3.2: the key an external commit speaks to. */
export function externalPubExtension(publicKey: Uint8Array): Extension {
  return { type: extensionTypes.externalPub, data: encode((writer) => writer.vector(publicKey)) };
}

export function externalPubIn(extensions: readonly Extension[]): Uint8Array | undefined {
  const data = extensionOf(extensions, extensionTypes.externalPub);
  return data && decode(data, (reader) => reader.vector());
}
