/**
 * Pre-shared keys (RFC 9420 §8.4).
 *
 *     PreSharedKeyID := 1 | psk id <V> | nonce <V>
 *                     | 2 | usage u8 | group id <V> | epoch u64 | nonce <V>
 */
import { equalPublic, wipeAll } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { encode } from '../codec/writer.ts';
import { extract } from '../crypto/hkdf.ts';
import { expandWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError } from '../errors.ts';

export type ResumptionUsage = 'application' | 'reinit' | 'branch';

export type PskId =
  | { readonly kind: 'external'; readonly id: Uint8Array; readonly nonce: Uint8Array }
  | {
      readonly kind: 'resumption';
      readonly usage: ResumptionUsage;
      readonly groupId: Uint8Array;
      readonly epoch: bigint;
      readonly nonce: Uint8Array;
    };

const usages: readonly ResumptionUsage[] = ['application', 'reinit', 'branch'];

export function writePskId(writer: Writer, psk: PskId): void {
  if (psk.kind === 'external') writer.u8(1).vector(psk.id);
  else
    writer
      .u8(2)
      .u8(usages.indexOf(psk.usage) + 1)
      .vector(psk.groupId)
      .u64(psk.epoch);
  writer.vector(psk.nonce);
}

export function readPskId(reader: Reader): PskId {
  const kind = reader.u8();
  if (kind === 1) return { kind: 'external', id: reader.vector(), nonce: reader.vector() };
  const usage = kind === 2 ? usages[reader.u8() - 1] : undefined;
  if (usage === undefined) throw new MlsError('malformed', 'PSK type or usage, §8.4');
  return { kind: 'resumption', usage, groupId: reader.vector(), epoch: reader.u64(), nonce: reader.vector() };
}

export function samePskId(a: PskId, b: PskId): boolean {
  const encoded = (id: PskId): Uint8Array => encode((writer) => writePskId(writer, id));
  return equalPublic(encoded(a), encoded(b));
}

export interface Psk {
  readonly id: PskId;
  readonly secret: Uint8Array;
}

/** `psk_secret`: all zeros for none. The inputs stay the caller's. */
export function pskSecret(suite: Suite, psks: readonly Psk[]): Uint8Array {
  const zero = new Uint8Array(suite.hashBytes);
  let secret: Uint8Array = zero.slice();
  psks.forEach(({ id, secret: psk }, index) => {
    const extracted = extract(suite, { salt: zero, ikm: psk });
    const context = encode((writer) => {
      writePskId(writer, id);
      writer.u16(index).u16(psks.length);
    });
    const input = expandWithLabel(suite, { secret: extracted, label: 'derived psk', context, length: suite.hashBytes });
    const next = extract(suite, { salt: input, ikm: secret });
    wipeAll([extracted, input, secret]);
    secret = next;
  });
  return secret;
}
