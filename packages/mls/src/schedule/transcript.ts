/** Transcript hashes (RFC 9420 §8.2): every commit of the history, in order. */
import { concat } from '../codec/bytes.ts';
import { encode } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';

/** `commit` is ConfirmedTranscriptHashInput: wire format, content and signature. */
export function confirmedTranscriptHash(
  suite: Suite,
  input: { readonly interimBefore: Uint8Array; readonly commit: Uint8Array },
): Uint8Array {
  return suite.provider.hash(suite.hash, concat(input.interimBefore, input.commit));
}

export function interimTranscriptHash(
  suite: Suite,
  input: { readonly confirmed: Uint8Array; readonly confirmationTag: Uint8Array },
): Uint8Array {
  const tag = encode((writer) => writer.vector(input.confirmationTag));
  return suite.provider.hash(suite.hash, concat(input.confirmed, tag));
}
