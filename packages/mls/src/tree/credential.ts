/**
 * Credentials (RFC 9420 §5.3). Both standard types are one vector; so is any other that this package is to carry.
 *
 *     Credential := type u16 | content <V>
 */
import { equalPublic } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';

export const credentialTypes = { basic: 1, x509: 2 } as const;

export interface Credential {
  readonly type: number;
  /** Of a basic credential the identity; of X.509 the encoded chain. What it says is for the caller's policy. */
  readonly content: Uint8Array;
}

export function basicCredential(identity: Uint8Array): Credential {
  return { type: credentialTypes.basic, content: identity };
}

export function writeCredential(writer: Writer, { type, content }: Credential): void {
  writer.u16(type).vector(content);
}

export function readCredential(reader: Reader): Credential {
  return { type: reader.u16(), content: reader.vector() };
}

export function sameCredential(a: Credential, b: Credential): boolean {
  return a.type === b.type && equalPublic(a.content, b.content);
}
