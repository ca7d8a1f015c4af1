/**
 * Messages that are signed and not encrypted (RFC 9420 §6.2).
 *
 *     PublicMessage := FramedContent | authentication | from a member alone: membership tag <V>
 */
import { equalSecret } from '../codec/bytes.ts';
import type { Reader } from '../codec/reader.ts';
import type { Writer } from '../codec/writer.ts';
import { encode } from '../codec/writer.ts';
import type { Suite } from '../crypto/suite.ts';
import { demand, wanted } from '../errors.ts';
import { mac } from '../schedule/key-schedule.ts';
import type { AuthenticatedContent } from './authenticated-content.ts';
import { readAuthentication, writeAuthentication, writeSigned } from './authenticated-content.ts';
import { readContent, writeContent } from './content.ts';

export interface PublicMessage {
  readonly message: AuthenticatedContent;
  readonly membershipTag: Uint8Array | undefined;
}

export interface MembershipInput {
  readonly message: AuthenticatedContent;
  /** Encoded group context. */
  readonly context: Uint8Array;
  readonly membershipKey: Uint8Array;
}

export function membershipTag(suite: Suite, { message, context, membershipKey }: MembershipInput): Uint8Array {
  const data = encode((writer) => {
    writeSigned(writer, { ...message, context });
    writeAuthentication(writer, message.content, message.auth);
  });
  return mac(suite, membershipKey, data);
}

/** `bad-membership-tag` unless a member of the epoch made it. */
export function demandMembership(suite: Suite, tag: Uint8Array | undefined, input: MembershipInput): void {
  if (input.message.content.sender.kind !== 'member') return;
  demand(equalSecret(membershipTag(suite, input), wanted(tag, 'malformed')), 'bad-membership-tag', '§6.2');
}

export function writePublicMessage(writer: Writer, { message, membershipTag: tag }: PublicMessage): void {
  writeContent(writer, message.content);
  writeAuthentication(writer, message.content, message.auth);
  if (message.content.sender.kind === 'member') writer.vector(wanted(tag, 'bad-argument', 'membership tag'));
}

export function readPublicMessage(reader: Reader): PublicMessage {
  const content = readContent(reader);
  const auth = readAuthentication(reader, content.body.kind);
  const tag = content.sender.kind === 'member' ? reader.vector() : undefined;
  return { message: { format: 'public', content, auth }, membershipTag: tag };
}
