/**
 * Branded ids. Binary ids are 16 bytes, carried in code as 22 characters of unpadded base64url, so that they can be
 * keys of maps and columns; they become bytes again only in frames.
 */
import { fromBase64url, toBase64url } from './base64url.ts';
import { SecureChatError } from './codes.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** An account; chosen at random by the client that registers it. */
export type AccountId = Branded<string, 'AccountId'>;
/** A device of an account. */
export type DeviceId = Branded<string, 'DeviceId'>;
/** An MLS group; a conversation is a chain of groups, newest last. */
export type GroupId = Branded<string, 'GroupId'>;
/** A submission: 6-byte device counter, then 10 random bytes (ordered ids halve the cost of the dedupe index). */
export type ClientId = Branded<string, 'ClientId'>;
/** The inner id of a message, known to the members alone. */
export type MessageId = Branded<string, 'MessageId'>;
/** A stored file on the server. */
export type BlobId = Branded<string, 'BlobId'>;
/** A position in one device's mailbox: 1.., gap-free, in commit order. */
export type MailboxSeq = Branded<number, 'MailboxSeq'>;
/** SHA-256 of an SPKI, written `sha256:` and 43 characters of base64url. */
export type Fingerprint = Branded<string, 'Fingerprint'>;

export type BinaryId = AccountId | DeviceId | GroupId | ClientId | MessageId | BlobId;

export const ID_BYTES = 16;

/** 16 bytes as an id of the wanted kind; MALFORMED for another length. */
export function idOf<T extends BinaryId>(bytes: Uint8Array): T {
  if (bytes.length !== ID_BYTES) throw new SecureChatError('MALFORMED', { text: 'An id must have 16 bytes.' });
  return toBase64url(bytes) as T;
}

/** The 16 bytes of an id; MALFORMED where the text is not one. */
export function idBytes(id: BinaryId): Uint8Array {
  const bytes = fromBase64url(id);
  if (bytes.length !== ID_BYTES) throw new SecureChatError('MALFORMED', { text: 'An id must have 16 bytes.' });
  return bytes;
}
