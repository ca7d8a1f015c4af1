/** Collection `keyPackage`, by reference: the private half of what was published; one-time ones go when they were used. */
import { toBase64url } from '@securechat/wire';
import { readFlags, recordCodec, writeFlags } from './record.ts';

export interface KeyPackageRecord {
  readonly reference: Uint8Array;
  readonly keyPackage: Uint8Array;
  readonly secrets: Uint8Array;
  readonly lastResort: boolean;
  /** The server has it. */
  readonly published: boolean;
  readonly madeMs: number;
}

export const keyPackageRecord = recordCodec<KeyPackageRecord>(
  1,
  (writer, value) => {
    writer.vec16(value.reference).vec32(value.keyPackage).vec32(value.secrets);
    writeFlags(writer, value.lastResort, value.published);
    writer.u64(value.madeMs);
  },
  (reader) => {
    const [reference, keyPackage, secrets] = [reader.vec16().slice(), reader.vec32().slice(), reader.vec32().slice()];
    const [lastResort = false, published = false] = readFlags(reader);
    return { reference, keyPackage, secrets, lastResort, published, madeMs: reader.u64() };
  },
);

export function keyPackageKey(reference: Uint8Array): string {
  return toBase64url(reference);
}
