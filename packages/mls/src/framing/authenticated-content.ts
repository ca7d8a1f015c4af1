/**
 * Content with the proof of who said it (RFC 9420 §6.1).
 *
 *     AuthenticatedContent := wire format u16 | FramedContent | signature <V> | commit alone: confirmation tag <V>
 *     signed               := version u16 | wire format u16 | FramedContent | member, new member's commit: GroupContext
 */
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { Writer as BytesWriter, encode } from '../codec/writer.ts';
import { refHash, signWithLabel, verifyWithLabel } from '../crypto/labels.ts';
import type { Suite } from '../crypto/suite.ts';
import { PROTOCOL_VERSION } from '../crypto/suite.ts';
import { wanted } from '../errors.ts';
import type { FramedContent } from './content.ts';
import { encodeContent } from './content.ts';

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
  /** The encoding of `content`. */
  readonly encodedContent: Uint8Array;
  readonly auth: Authentication;
}

export interface SignedPart {
  readonly format: MessageFormat;
  readonly content: FramedContent;
  readonly encodedContent: Uint8Array;
  /** The encoded group context of the epoch the message belongs to. */
  readonly context: Uint8Array;
}

/** FramedContentTBS, in pieces. */
export function toBeSigned({ format, content, encodedContent, context }: SignedPart): readonly Uint8Array[] {
  const start = Uint8Array.of(0, PROTOCOL_VERSION, 0, formatNumbers[format]);
  const { kind } = content.sender;
  const signsContext = kind === 'member' || kind === 'new-member-commit';
  return signsContext ? [start, encodedContent, context] : [start, encodedContent];
}

export function signContent(
  suite: Suite,
  part: Omit<SignedPart, 'encodedContent'>,
  privateKey: Uint8Array,
): {
  readonly encodedContent: Uint8Array;
  readonly signature: Uint8Array;
} {
  const encodedContent = encodeContent(part.content);
  const content = toBeSigned({ ...part, encodedContent });
  return { encodedContent, signature: signWithLabel(suite, { privateKey, label: 'FramedContentTBS', content }) };
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
    writer.u16(formatNumbers[message.format]).raw(message.encodedContent);
    writeAuthentication(writer, message.content, message.auth);
  });
  return refHash(suite, 'MLS 1.0 Proposal Reference', value);
}

/** ConfirmedTranscriptHashInput (§8.2). */
export function transcriptInput(
  message: Omit<AuthenticatedContent, 'auth' | 'content'>,
  signature: Uint8Array,
): Uint8Array {
  const { format, encodedContent } = message;
  const writer = new BytesWriter(encodedContent.length + 80);
  return writer.u16(formatNumbers[format]).raw(encodedContent).vector(signature).view();
}
