/** Authenticated data of an application message, bound to the content inside: group 16 | chain number u64. */
import type { GroupId } from '@securechat/wire';
import { ByteReader, ByteWriter, ID_BYTES, idBytes, idOf } from '@securechat/wire';

export function chainData(group: GroupId, chainNumber: number): Uint8Array {
  return new ByteWriter(ID_BYTES + 8).raw(idBytes(group)).u64(chainNumber).done();
}

export function chainFits(aad: Uint8Array, group: GroupId, chainNumber: number): boolean {
  if (aad.length !== ID_BYTES + 8) return false;
  const reader = new ByteReader(aad);
  try {
    return idOf<GroupId>(reader.raw(ID_BYTES)) === group && reader.u64() === chainNumber;
  } catch {
    return false;
  }
}
