/**
 * What a new member is sent (RFC 9420 §12.4.3.1).
 *
 *     Welcome               := suite u16 | EncryptedGroupSecrets<V> | encrypted GroupInfo <V>
 *     EncryptedGroupSecrets := key package reference <V> | HPKECiphertext
 *     GroupSecrets          := joiner secret <V> | optional path secret <V> | PreSharedKeyID<V>
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter } from '../codec/writer.ts';
import type { Sealed } from '../crypto/hpke.ts';
import type { PskId } from '../schedule/psk.ts';
import { readPskId, writePskId } from '../schedule/psk.ts';
import { readSealed, writeSealed } from '../tree/update-path.ts';

export interface SealedGroupSecrets {
  readonly newMember: Uint8Array;
  readonly sealed: Sealed;
}

export interface Welcome {
  readonly suite: number;
  readonly secrets: readonly SealedGroupSecrets[];
  readonly sealedGroupInfo: Uint8Array;
}

export interface GroupSecrets {
  readonly joiner: Uint8Array;
  /** Of the lowest node above both the new member and the committer; absent after a commit without a path. */
  readonly pathSecret: Uint8Array | undefined;
  readonly psks: readonly PskId[];
}

const NEW_MEMBERS_MAX = 4096;

export function writeWelcome(writer: Writer, welcome: Welcome): void {
  writer.u16(welcome.suite);
  writer.list(welcome.secrets, (w, { newMember, sealed }) => writeSealed(w.vector(newMember), sealed));
  writer.vector(welcome.sealedGroupInfo);
}

export function readWelcome(reader: Reader): Welcome {
  return {
    suite: reader.u16(),
    secrets: reader.list((r) => ({ newMember: r.vector(), sealed: readSealed(r) }), NEW_MEMBERS_MAX),
    sealedGroupInfo: reader.vector(),
  };
}

export function encodeGroupSecrets({ joiner, pathSecret, psks }: GroupSecrets): Uint8Array {
  const writer = new BytesWriter(256).vector(joiner).optional(pathSecret, (w, secret) => w.vector(secret));
  return writer.list(psks, writePskId).doneSecret();
}

export function readGroupSecrets(reader: Reader): GroupSecrets {
  return {
    joiner: reader.vector(),
    pathSecret: reader.optional((r) => r.vector()),
    psks: reader.list(readPskId),
  };
}
