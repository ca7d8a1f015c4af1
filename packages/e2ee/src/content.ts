/**
 * What a person's message says: the plaintext of an application message (docs/protocol/conversations.md), decoded from
 * `Content` (proto/securechat/content/v1) into types that cannot be half filled. What a newer client says in a body
 * unknown here is kept as `unreadable`, never dropped.
 */
import type { BlobId, MessageId } from '@securechat/wire';
import { decodeMessage, defaultLimits, idBytes, idOf, SecureChatError } from '@securechat/wire';
import { Content as Codec } from './gen/securechat/content/v1/content.ts';
import { pad, unpad } from './padding.ts';

export const CONTENT_VERSION = 1;

/** 16 bytes as text, like the other ids: one file's way from offer to receipt. */
export type TransferId = MessageId;

export type Body =
  | { readonly kind: 'text'; readonly text: string; readonly replyTo?: MessageId }
  /** Carries `delivered` of the content, and what was read. */
  | { readonly kind: 'receipt'; readonly read: readonly MessageId[] }
  | {
      readonly kind: 'file-offer';
      readonly transfer: TransferId;
      /** As the sender wrote it: pass through `safeFileName` before any use. */
      readonly name: string;
      readonly bytes: number;
      /** Of the whole plaintext, 32 bytes. */
      readonly sha256: Uint8Array;
    }
  | { readonly kind: 'file-answer'; readonly transfer: TransferId; readonly accept: boolean }
  | {
      readonly kind: 'file-ready';
      readonly transfer: TransferId;
      readonly blob: BlobId;
      /** 32 bytes. */
      readonly key: Uint8Array;
      readonly chunkBytes: number;
      /** Ciphertext root, 32 bytes. */
      readonly root: Uint8Array;
    }
  | { readonly kind: 'file-received'; readonly transfer: TransferId; readonly ok: boolean }
  /** The message of this chain number was given up by its sender; nothing is missing. */
  | { readonly kind: 'skipped' }
  /** Of a newer version; only decoding makes it. */
  | { readonly kind: 'unreadable' };

export interface Content {
  readonly id: MessageId;
  /** 1.. per device and group. */
  readonly chainNumber: number;
  /** Sender's clock, Unix ms; for people, never for order. */
  readonly sentAtMs: number;
  /** Inner ids of the other side's messages that the sender's device has stored; at most `idsPerContentMax`. */
  readonly delivered: readonly MessageId[];
  readonly body: Body;
}

/** A content before its place in the chain is known. */
export type ContentDraft = Omit<Content, 'chainNumber'>;

/** The padded plaintext. TEXT_TOO_LONG over `textBytesMax`; INTERNAL for more ids than allowed or an unreadable body. */
export function encodeContent(content: Content): Uint8Array<ArrayBuffer> {
  if (content.delivered.length > defaultLimits.idsPerContentMax)
    throw new SecureChatError('INTERNAL', { text: 'A content names too many delivered messages.' });
  const message = {
    version: CONTENT_VERSION,
    id: idBytes(content.id),
    chainNumber: content.chainNumber,
    sentAtMs: content.sentAtMs,
    delivered: content.delivered.map(idBytes),
    body: encodeBody(content.body),
  };
  return pad(Codec.encode(message).finish());
}

/** MALFORMED for what no version of a client writes. A newer version or an unknown body is `unreadable`. */
export function decodeContent(padded: Uint8Array): Content {
  const message = decodeMessage(Codec, unpad(padded));
  if (message.version < CONTENT_VERSION || message.chainNumber < 1) throw malformed();
  if (message.delivered.length > defaultLimits.idsPerContentMax) throw malformed();
  return {
    id: idOf<MessageId>(message.id),
    chainNumber: message.chainNumber,
    sentAtMs: message.sentAtMs,
    delivered: message.delivered.map(idOf<MessageId>),
    body: message.version > CONTENT_VERSION ? { kind: 'unreadable' } : decodeBody(message.body),
  };
}

type WireBody = ReturnType<typeof Codec.decode>['body'];

function encodeBody(body: Body): WireBody {
  switch (body.kind) {
    case 'text': {
      if (new TextEncoder().encode(body.text).length > defaultLimits.textBytesMax)
        throw new SecureChatError('TEXT_TOO_LONG');
      const replyTo = body.replyTo === undefined ? new Uint8Array(0) : idBytes(body.replyTo);
      return { $case: 'text', value: { text: body.text, replyTo } };
    }
    case 'receipt':
      if (body.read.length > defaultLimits.idsPerContentMax)
        throw new SecureChatError('INTERNAL', { text: 'A receipt names too many messages.' });
      return { $case: 'receipt', value: { read: body.read.map(idBytes) } };
    case 'file-offer': {
      const { name, bytes, sha256 } = body;
      return { $case: 'fileOffer', value: { transfer: idBytes(body.transfer), name, bytes, sha256 } };
    }
    case 'file-answer':
      return { $case: 'fileAnswer', value: { transfer: idBytes(body.transfer), accept: body.accept } };
    case 'file-ready': {
      const { key, chunkBytes, root } = body;
      const value = { transfer: idBytes(body.transfer), blob: idBytes(body.blob), key, chunkBytes, root };
      return { $case: 'fileReady', value };
    }
    case 'file-received':
      return { $case: 'fileReceived', value: { transfer: idBytes(body.transfer), ok: body.ok } };
    case 'skipped':
      return { $case: 'skipped', value: {} };
    case 'unreadable':
      throw new SecureChatError('INTERNAL', { text: 'An unreadable content cannot be sent.' });
  }
}

function decodeBody(body: WireBody): Body {
  if (body === undefined) return { kind: 'unreadable' };
  switch (body.$case) {
    case 'text': {
      const { text, replyTo } = body.value;
      if (new TextEncoder().encode(text).length > defaultLimits.textBytesMax) throw malformed();
      return { kind: 'text', text, ...(replyTo.length > 0 && { replyTo: idOf<MessageId>(replyTo) }) };
    }
    case 'receipt':
      if (body.value.read.length > defaultLimits.idsPerContentMax) throw malformed();
      return { kind: 'receipt', read: body.value.read.map(idOf<MessageId>) };
    case 'fileOffer': {
      const { name, bytes, sha256 } = body.value;
      if (name.length > FILE_NAME_CHARS_MAX) throw malformed();
      return { kind: 'file-offer', transfer: idOf(body.value.transfer), name, bytes, sha256: exactly(32, sha256) };
    }
    case 'fileAnswer':
      return { kind: 'file-answer', transfer: idOf(body.value.transfer), accept: body.value.accept };
    case 'fileReady': {
      const { transfer, blob, key, chunkBytes, root } = body.value;
      if (chunkBytes < defaultLimits.fileChunkBytesMin || chunkBytes > defaultLimits.fileChunkBytesMax)
        throw malformed();
      const ids = { transfer: idOf<TransferId>(transfer), blob: idOf<BlobId>(blob) };
      return { kind: 'file-ready', ...ids, key: exactly(32, key), chunkBytes, root: exactly(32, root) };
    }
    case 'fileReceived':
      return { kind: 'file-received', transfer: idOf(body.value.transfer), ok: body.value.ok };
    case 'skipped':
      return { kind: 'skipped' };
  }
}

/** Before `safeFileName` cuts it: bounds what is stored of an offer. */
const FILE_NAME_CHARS_MAX = 1024;

function exactly(count: number, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== count) throw malformed();
  return bytes.slice();
}

function malformed(): SecureChatError {
  return new SecureChatError('MALFORMED', { text: 'A message cannot be read.' });
}
