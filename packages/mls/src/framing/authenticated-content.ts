/**
 * Content with the proof of who said it (RFC 9420 §6.1).
 *
 *     AuthenticatedContent := wire format u16 | FramedContent | signature <V> | commit alone: confirmation tag <V>
 *     signed               := version u16 | wire format u16 | FramedContent | member, new member's commit: GroupContext
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { encode } from '../codec/writer.ts';
import { refHash, signWithLabel, verifyWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { wanted } from '../errors.ts';
import type { FramedContent } from './content.ts';
import { contentBytes, writeContent } from './content.ts';

export type MessageFormat = 'public' | 'private';
export const formatNumbers: Readonly<Record<MessageFormat, number>> = { public: 1, private: 2 };

export interface Authentication {
  readonly signature: Uint8Array;
  /** In commits, and only there. */
  readonly confirmationTag: Uint8Array | undefined;
}

export interface AuthenticatedContent {
  readonly format: MessageFormat;
  readonly content: FramedContent;
  readonly auth: Authentication;
}

export interface SignedPart {
  readonly format: MessageFormat;
  readonly content: FramedContent;
  /** The encoded group context of the epoch the message belongs to. */
  readonly context: Uint8Array;
}

/** FramedContentTBS. Of a message received, what was read is written again: one meaning has one encoding. */
export function writeSigned(writer: Writer, { format, content, context }: SignedPart): void {
  writeContent(writer.u16(PROTOCOL_VERSION).u16(formatNumbers[format]), content);
  const { kind } = content.sender;
  if (kind === 'member' || kind === 'new-member-commit') writer.raw(context);
}

function toBeSigned(part: SignedPart): { readonly bytes: number; readonly write: (writer: Writer) => void } {
  const bytes = contentBytes(part.content) + part.context.length + 4;
  return { bytes, write: (writer) => writeSigned(writer, part) };
}

/** The signature. */
export function signContent(suite: Suite, part: SignedPart, privateKey: Uint8Array): Uint8Array {
  return signWithLabel(suite, { privateKey, label: 'FramedContentTBS', content: toBeSigned(part) });
}

export function contentSignatureVerifies(
  suite: Suite,
  input: { readonly message: AuthenticatedContent; readonly context: Uint8Array; readonly publicKey: Uint8Array },
): boolean {
  const { message, context, publicKey } = input;
  const content = toBeSigned({ ...message, context });
  return verifyWithLabel(suite, { publicKey, label: 'FramedContentTBS', content, signature: message.auth.signature });
}

export function writeAuthentication(writer: Writer, content: FramedContent, auth: Authentication): void {
  writer.vector(auth.signature);
  if (content.body.kind === 'commit') writer.vector(wanted(auth.confirmationTag, 'bad-argument', 'confirmation tag'));
}

export function readAuthentication(reader: Reader, kind: FramedContent['body']['kind']): Authentication {
  return { signature: reader.vector(), confirmationTag: kind === 'commit' ? reader.vector() : undefined };
}

/** What a commit refers to a proposal by (§5.2). */
export function proposalRef(suite: Suite, message: AuthenticatedContent): Uint8Array {
  const value = encode((writer) => {
    writeContent(writer.u16(formatNumbers[message.format]), message.content);
    writeAuthentication(writer, message.content, message.auth);
  });
  return refHash(suite, 'MLS 1.0 Proposal Reference', value);
}

/** ConfirmedTranscriptHashInput (§8.2). */
export function transcriptInput(
  { format, content }: Omit<AuthenticatedContent, 'auth'>,
  signature: Uint8Array,
): Uint8Array {
  return encode((writer) => {
    writeContent(writer.u16(formatNumbers[format]), content);
    writer.vector(signature);
  });
}
