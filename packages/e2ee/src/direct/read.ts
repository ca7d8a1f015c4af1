/** A row of the mailbox in a direct conversation: a message, or a commit of the other side. */
import type { AccountBundle } from '@securechat/crypto';
import { wipe } from '@securechat/crypto';
import type { AccountId, DeviceId } from '@securechat/wire';
import { defaultLimits, SecureChatError } from '@securechat/wire';
import type { Content } from '../content.ts';
import { decodeContent } from '../content.ts';
import { credentialCheck, decodeCredential, deviceBehind } from '../credential.ts';
import type { Advanced, EngineRefusal, Leaf } from '../engine.ts';
import type { RosterRefusal } from '../roster.ts';
import { verifyRosterChange } from '../roster.ts';
import { chainFits } from './chain-data.ts';
import type { ConversationInput } from './encrypt.ts';

export interface Author {
  readonly account: AccountId;
  readonly device: DeviceId;
  /**
   * Whether the device stands in the newest list of `people`. Its leaf was verified when it entered; a message that it
   * sent before it was revoked may arrive after.
   */
  readonly listed: boolean;
}

export interface DecryptedContent extends Advanced {
  readonly kind: 'content';
  readonly author: Author;
  readonly content: Content;
}

export interface MergedCommit extends Advanced {
  readonly kind: 'commit';
  readonly author: Author;
}

export type RowRefusal =
  | EngineRefusal
  | RosterRefusal
  /** A commit where a message was announced, or the other way round. */
  | 'other-kind'
  /** Chain number or group in the authenticated data differ from those inside. */
  | 'chain'
  /** Decrypted, but nothing that a client writes. */
  | 'content';

export interface RefusedRow {
  readonly kind: 'refused';
  readonly reason: RowRefusal;
  /** Its epoch is still to come: keep it and try again after each commit. */
  readonly park: boolean;
}

export interface DecryptRowInput extends Omit<ConversationInput, 'me' | 'entropy'> {
  /** The kind of the mailbox row. */
  readonly row: 'message' | 'commit';
  /** Payload of the row: the message, or the commit without its capsule. */
  readonly ciphertext: Uint8Array;
  readonly people: readonly AccountBundle[];
  readonly nowMs: number;
}

/** A commit is verified against the roster rules before its state is handed out. A refused row changes nothing. */
export function decryptRow(input: DecryptRowInput): DecryptedContent | MergedCommit | RefusedRow {
  const { engine, state, ciphertext, people, nowMs } = input;
  const bytesMax = input.row === 'message' ? defaultLimits.messageBytesMax : defaultLimits.commitBytesMax;
  if (ciphertext.length > bytesMax) return refusedRow('malformed');
  const result = engine.decrypt({ state, ciphertext, check: credentialCheck(people, nowMs), nowMs });
  if (result.kind === 'refused') return refusedRow(result.reason);
  if (result.kind !== input.row) {
    if (result.kind === 'commit') result.drop();
    else wipe(result.plaintext);
    return refusedRow('other-kind');
  }
  if (result.kind === 'commit') {
    const verdict = verifyRosterChange({ ...result, committer: result.committer.index, people });
    const author = authorOf(result.committer, people);
    if (verdict.kind === 'ok' && author !== undefined) return { kind: 'commit', author, ...result.merge() };
    result.drop();
    return refusedRow(verdict.kind === 'refused' ? verdict.reason : 'credential');
  }
  const author = authorOf(result.sender, people);
  const content = contentIn(result.plaintext);
  wipe(result.plaintext);
  if (content === undefined) return refusedRow('content');
  if (author === undefined) return refusedRow('credential');
  if (!chainFits(result.aad, input.group, content.chainNumber)) return refusedRow('chain');
  const { epoch, wipe: after } = result;
  return { kind: 'content', author, content, state: result.state, epoch, wipe: after };
}

function contentIn(plaintext: Uint8Array): Content | undefined {
  try {
    return decodeContent(plaintext);
  } catch (error) {
    if (error instanceof SecureChatError) return undefined;
    throw error;
  }
}

function authorOf(leaf: Leaf, people: readonly AccountBundle[]): Author | undefined {
  const credential = decodeCredential(leaf.credential);
  if (credential === undefined) return undefined;
  const { account, device } = credential;
  return { account, device, listed: deviceBehind(people, leaf) !== undefined };
}

function refusedRow(reason: RowRefusal): RefusedRow {
  return { kind: 'refused', reason, park: reason === 'too-new' };
}
