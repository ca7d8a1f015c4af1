/**
 * Messages that are signed and encrypted (RFC 9420 §6.3).
 *
 *     PrivateMessage        := group id <V> | epoch u64 | content type u8 | authenticated data <V>
 *                              | sealed SenderData <V> | ciphertext <V>
 *     PrivateMessageContent := body | authentication | zeros
 */
import { passing } from '../codec/passing.ts';
import { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter, vectorBytes } from '../codec/writer.ts';
import type { Entropy } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { MlsError, demand } from '../errors.ts';
import type { MessageKey } from '../schedule/ratchet.ts';
import type { AuthenticatedContent } from './authenticated-content.ts';
import { readAuthentication, writeAuthentication } from './authenticated-content.ts';
import type { FramedContent } from './content.ts';
import { bodyBytes, readBody, readContentType, writeBody } from './content.ts';
import type { PrivateHead, SenderData } from './sender-data.ts';
import { REUSE_GUARD_BYTES, headBytes, sealSenderData, writeHead } from './sender-data.ts';

export interface PrivateMessage extends PrivateHead {
  readonly authenticatedData: Uint8Array;
  readonly sealedSenderData: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** How many zero bytes to append to that many bytes of content. */
export type Padding = (contentBytes: number) => number;

/** A tag and a minimal body; sizes beyond this are for the caller to bound. */
const PADDING_BYTES_MAX = 2 ** 24;

export interface ProtectInput {
  readonly message: AuthenticatedContent;
  readonly key: MessageKey & { readonly generation: number };
  readonly senderDataSecret: Uint8Array;
  readonly padding: Padding;
  readonly entropy: Entropy;
}

/** A signature, a confirmation tag of 64 bytes at most, and the lengths of three vectors. */
const AUTHENTICATION_BYTES = 64 + 64 + 3 * 4;

/** For content of a member. */
export function protect(suite: Suite, input: ProtectInput): PrivateMessage {
  const { message, key, senderDataSecret: secret, entropy } = input;
  const { groupId, epoch, sender, authenticatedData, body } = message.content;
  if (sender.kind !== 'member') throw new MlsError('bad-argument', 'private message of a non-member');
  const head = { groupId, epoch, contentType: body.kind };
  const reuseGuard = entropy(REUSE_GUARD_BYTES);
  const nonce = guarded(key.nonce, reuseGuard);
  const aad = contentAad(head, authenticatedData);
  const ciphertext = passing(
    bodyBytes(body) + AUTHENTICATION_BYTES,
    (writer) => writePlaintext(writer, message, input.padding),
    (plaintext) => suite.provider.seal(suite.aead, { key: key.key, nonce, aad, plaintext }),
  );
  const data: SenderData = { leaf: sender.leaf, generation: key.generation, reuseGuard };
  const sealedSenderData = sealSenderData(suite, data, { secret, ciphertext, head });
  return { ...head, authenticatedData, sealedSenderData, ciphertext };
}

function writePlaintext(writer: Writer, { content, auth }: AuthenticatedContent, padding: Padding): void {
  writeBody(writer, content.body);
  writeAuthentication(writer, content, auth);
  const zeros = padding(writer.size);
  demand(Number.isInteger(zeros) && zeros >= 0 && zeros <= PADDING_BYTES_MAX, 'bad-argument', 'padding');
  writer.zeros(zeros);
}

export interface UnprotectInput {
  readonly message: PrivateMessage;
  readonly senderData: SenderData;
  readonly key: MessageKey;
}

/** The content, not yet verified. `undecryptable`, `malformed`, `bad-padding`. */
export function unprotect(suite: Suite, { message, senderData, key }: UnprotectInput): AuthenticatedContent {
  const { groupId, epoch, contentType, authenticatedData, ciphertext } = message;
  const aad = contentAad(message, authenticatedData);
  const nonce = guarded(key.nonce, senderData.reuseGuard);
  const plaintext = suite.provider.open(suite.aead, { key: key.key, nonce, aad, ciphertext });
  if (plaintext === undefined) throw new MlsError('undecryptable', 'content');
  const reader = new Reader(plaintext);
  const body = readBody(reader, contentType);
  const auth = readAuthentication(reader, contentType);
  demand(isZero(reader.rest()), 'bad-padding', '§6.3.1');
  const sender = { kind: 'member', leaf: senderData.leaf } as const;
  const content: FramedContent = { groupId, epoch, sender, authenticatedData, body };
  return { format: 'private', content, auth };
}

function contentAad(head: PrivateHead, authenticatedData: Uint8Array): Uint8Array {
  const writer = new BytesWriter(headBytes(head) + vectorBytes(authenticatedData));
  writeHead(writer, head);
  return writer.vector(authenticatedData).view();
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** §6.3.1: against reuse of a nonce after state was lost. */
function guarded(nonce: Uint8Array, reuseGuard: Uint8Array): Uint8Array {
  const xored = nonce.slice();
  for (let i = 0; i < REUSE_GUARD_BYTES; i++) xored[i] = (xored[i] ?? 0) ^ (reuseGuard[i] ?? 0);
  return xored;
}

export function writePrivateMessage(writer: Writer, message: PrivateMessage): void {
  writeHead(writer, message);
  writer.vector(message.authenticatedData).vector(message.sealedSenderData).vector(message.ciphertext);
}

export function readPrivateMessage(reader: Reader): PrivateMessage {
  return {
    groupId: reader.vector(),
    epoch: reader.u64(),
    contentType: readContentType(reader),
    authenticatedData: reader.vector(),
    sealedSenderData: reader.vector(),
    ciphertext: reader.vector(),
  };
}

/** No padding. */
export const unpadded: Padding = () => 0;
