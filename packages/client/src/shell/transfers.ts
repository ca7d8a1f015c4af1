/** Files: offered, answered, sent, fetched. Each step is a content in the conversation and a state on disk. */
import { open, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { hasher, sha256, wipe } from '@securechat/crypto';
import type { Body, FileShape, TransferId } from '@securechat/e2ee';
import { chunkCount, chunkPlace, createFileKey, safeFileName } from '@securechat/e2ee';
import type { BlobId, Code } from '@securechat/wire';
import { idBytes, limits, SecureChatError } from '@securechat/wire';
import { isPassing } from '../core/answers.ts';
import type { TransferRecord } from '../core/record-transfer.ts';
import { Download, removeTemporary } from './download.ts';
import { freshId } from './fresh-id.ts';
import type { LedgerChange } from './ledger-change.ts';
import type { Link } from './link-port.ts';
import type { OpenAccount } from './open-account.ts';
import { failureOf } from './open-account.ts';
import { queueContent } from './queue.ts';
import type { StateChange } from './settle.ts';
import { readChunk, upload } from './upload.ts';

/** Files under way at once, in either direction; the rest waits. */
const JOBS_MAX = 2;
/** Offers of one person that wait for an answer; beyond it the oldest goes. */
const OFFERS_MAX = 50;
/** The server forgets blobs after 30 days. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;
const PROGRESS_MS = 100;
/** After something that passes, on a connection that holds. */
const RETRY_MS = 5_000;
/** These pass for a message; a file is too large to wait for them unasked. */
const final: ReadonlySet<Code> = new Set<Code>(['INTERNAL', 'STORAGE_FULL']);

export class Transfers {
  readonly #account: OpenAccount;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #jobs = new Set<TransferId>();
  readonly #downloads = new Map<TransferId, Download>();
  /** Offers whose sender waits for the answer of `sendFile` and needs no event. */
  readonly #offering = new Set<TransferId>();
  #running = 0;

  constructor(account: OpenAccount) {
    this.#account = account;
  }

  /**
   * Reads the file once, queues the offer. Resolves with the transfer and its place in the outbox. FILE_NOT_FOUND,
   * FILE_UNREADABLE, FILE_TOO_LARGE.
   */
  async offer(
    user: string,
    path: string,
    bytesMax: number,
    onOrder: (order: number) => void,
  ): Promise<{ readonly id: TransferId; readonly order: number; done(): void }> {
    const account = this.#account;
    const facts = await describe(resolve(path), bytesMax);
    const id = freshId<TransferId>(account.entropy);
    const { name, bytes } = facts;
    const record: TransferRecord = {
      id,
      direction: 'up',
      stage: 'offered',
      user,
      ...facts,
      blob: undefined,
      sinceMs: account.nowMs(),
    };
    const body: Body = { kind: 'file-offer', transfer: id, name, bytes, sha256: facts.sha256 };
    this.#offering.add(id);
    const order = await account.serial.run(user, () =>
      queueContent(account, {
        user,
        kind: 'file',
        body,
        transfer: id,
        with: [{ put: 'transfer', value: record }],
        onOrder,
      }),
    );
    return { id, order, done: () => void this.#offering.delete(id) };
  }

  /** Answers an offer. NO_SUCH_TRANSFER unless it waits for an answer. */
  async answer(id: string, accepted: boolean, directory: string): Promise<void> {
    const account = this.#account;
    const found = account.ledger.transfers.get(id as TransferId);
    if (found === undefined) throw new SecureChatError('NO_SUCH_TRANSFER');
    const { user } = found;
    await account.serial.run(user, async () => {
      const record = account.ledger.transfers.get(found.id);
      if (record?.direction !== 'down' || record.stage !== 'offered') throw new SecureChatError('NO_SUCH_TRANSFER');
      const change: LedgerChange = accepted
        ? { put: 'transfer', value: { ...record, stage: 'accepted', path: resolve(directory) } }
        : { drop: 'transfer', key: record.id };
      const body: Body = { kind: 'file-answer', transfer: record.id, accept: accepted };
      const transfer = accepted ? { transfer: record.id } : {};
      await queueContent(account, { user, kind: 'file', body, ...transfer, with: [change] });
    });
  }

  /** A step of the other side. In the serial queue of the user; the caller commits. */
  async read(user: string, body: Body): Promise<StateChange | undefined> {
    switch (body.kind) {
      case 'file-offer':
        return this.#offered(user, body);
      case 'file-answer':
        return this.#answered(user, body);
      case 'file-ready':
        return this.#ready(user, body);
      case 'file-received':
        return this.#received(user, body);
      case 'text':
      case 'receipt':
      case 'skipped':
      case 'unreadable':
        return undefined;
    }
  }

  /** A step of ours was refused or came back: the transfer is over. */
  stepFailed(id: TransferId, code: Code): StateChange | undefined {
    const record = this.#account.ledger.transfers.get(id);
    if (record === undefined) return undefined;
    const quiet = this.#offering.has(id);
    return {
      changes: [{ drop: 'transfer', key: id }],
      after: () => {
        void this.#downloads.get(id)?.discard();
        this.#downloads.delete(id);
        // Also what an earlier process began.
        if (record.stage === 'fetching') void removeTemporary(record);
        const { user, name } = record;
        if (!quiet) this.#account.emit({ kind: 'fileFailed', id, user, name, code });
      },
    };
  }

  /** After attaching: what was under way goes on, what is too old ends. */
  async resume(): Promise<void> {
    const { ledger } = this.#account;
    const old = this.#account.nowMs() - KEPT_MS;
    for (const record of ledger.transfers.values()) {
      if (record.sinceMs < old) await this.#end(record, 'EXPIRED');
      else if (record.stage === 'sending' || record.stage === 'fetching') this.#start(record.id);
    }
  }

  /** The account closes: open files are closed; on disk everything stays as it is. */
  async stop(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#downloads.values()].map((download) => download.pause()));
    this.#downloads.clear();
  }

  #offered(user: string, body: Extract<Body, { kind: 'file-offer' }>): StateChange | undefined {
    const { ledger } = this.#account;
    if (ledger.transfers.has(body.transfer)) return undefined;
    const { transfer: id, bytes } = body;
    const name = safeFileName(body.name);
    const record: TransferRecord = {
      id,
      direction: 'down',
      stage: 'offered',
      user,
      name,
      bytes,
      sha256: body.sha256,
      path: '',
      chunks: [],
      blob: undefined,
      sinceMs: this.#account.nowMs(),
    };
    const open = [...ledger.transfers.values()].filter(
      (one) => one.user === user && one.direction === 'down' && one.stage === 'offered',
    );
    open.sort((a, b) => a.sinceMs - b.sinceMs);
    const over = open.slice(0, Math.max(0, open.length + 1 - OFFERS_MAX));
    return {
      changes: [
        { put: 'transfer', value: record },
        ...over.map((one): LedgerChange => ({ drop: 'transfer', key: one.id })),
      ],
      after: () => this.#account.emit({ kind: 'fileOffer', id, from: user, name, bytes }),
    };
  }

  #answered(user: string, body: Extract<Body, { kind: 'file-answer' }>): StateChange | undefined {
    const record = this.#find(user, body.transfer, 'up');
    if (record?.stage !== 'offered') return undefined;
    const { id, name } = record;
    const { entropy } = this.#account;
    const accepted = body.accept;
    const blob = {
      id: freshId<BlobId>(entropy),
      key: createFileKey(entropy),
      chunkBytes: limits.fileChunkBytesMax.value,
      root: new Uint8Array(0),
    };
    return {
      changes: accepted
        ? [{ put: 'transfer', value: { ...record, stage: 'sending', blob } }]
        : [{ drop: 'transfer', key: id }],
      after: () => {
        const declined = accepted ? {} : { code: 'FILE_DECLINED' as const };
        this.#account.emit({ kind: 'fileAnswered', id, user, name, accepted, ...declined });
        if (accepted) this.#start(id);
      },
    };
  }

  #ready(user: string, body: Extract<Body, { kind: 'file-ready' }>): StateChange | undefined {
    const record = this.#find(user, body.transfer, 'down');
    // Only what was accepted is fetched.
    if (record?.stage !== 'accepted') return undefined;
    const { blob: id, key, chunkBytes, root } = body;
    return {
      changes: [{ put: 'transfer', value: { ...record, stage: 'fetching', blob: { id, key, chunkBytes, root } } }],
      after: () => this.#start(record.id),
    };
  }

  #received(user: string, body: Extract<Body, { kind: 'file-received' }>): StateChange | undefined {
    const record = this.#find(user, body.transfer, 'up');
    if (record === undefined || (record.stage !== 'ready' && record.stage !== 'sending')) return undefined;
    const { id, name, blob } = record;
    return {
      changes: [{ drop: 'transfer', key: id }],
      after: () => {
        this.#account.emit(
          body.ok
            ? { kind: 'fileDelivered', id, user, name }
            : { kind: 'fileFailed', id, user, name, code: 'FILE_DAMAGED' },
        );
        // Nobody needs the ciphertext any more; if this is lost it expires.
        if (blob !== undefined)
          void this.#account
            .link()
            ?.request('blobRemove', { blob: idBytes(blob.id) })
            .catch(() => undefined);
      },
    };
  }

  #find(user: string, id: TransferId, direction: TransferRecord['direction']): TransferRecord | undefined {
    const record = this.#account.ledger.transfers.get(id);
    return record?.user === user && record.direction === direction ? record : undefined;
  }

  #start(id: TransferId): void {
    if (this.#jobs.has(id)) return;
    this.#jobs.add(id);
    this.#waiting.push(async () => {
      try {
        await this.#work(id);
      } finally {
        this.#jobs.delete(id);
      }
    });
    this.#next();
  }

  #next(): void {
    while (this.#running < JOBS_MAX) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#running += 1;
      void job()
        .catch(() => undefined)
        .finally(() => {
          this.#running -= 1;
          this.#next();
        });
    }
  }

  async #work(id: TransferId): Promise<void> {
    const account = this.#account;
    const record = account.ledger.transfers.get(id);
    const link = account.link();
    if (record?.blob === undefined || link === undefined || account.ended()) return;
    const { blob, bytes } = record;
    const shape: FileShape = { blob: blob.id, key: blob.key, chunkBytes: blob.chunkBytes, totalBytes: bytes };
    const stopped = (): boolean => account.ended() || account.link() !== link || !account.ledger.transfers.has(id);
    try {
      if (record.direction === 'up') await this.#upload(record, shape, link, stopped);
      else await this.#download(record, shape, link, stopped);
    } catch (cause) {
      const { code } = failureOf(cause);
      // The next connection goes on with it.
      if (stopped()) return;
      if (isPassing(code) && !final.has(code)) return void setTimeout(() => this.#start(id), RETRY_MS).unref();
      if (record.direction === 'down') await this.#giveUp(record, code);
      else await this.#end(record, code);
    }
  }

  async #upload(record: TransferRecord, shape: FileShape, link: Link, stopped: () => boolean): Promise<void> {
    const account = this.#account;
    const { user, id } = record;
    const recipient = account.ledger.contacts.get(user)?.account;
    if (recipient === undefined) throw new SecureChatError('NO_SUCH_USER');
    const onProgress = this.#progress(record, 'up');
    const root = await upload({ link, transfer: record, shape, recipient, onProgress, stopped });
    await account.serial.run(user, async () => {
      if (!account.ledger.transfers.has(id)) return;
      const { blob, key, chunkBytes } = shape;
      const body: Body = { kind: 'file-ready', transfer: id, blob, key, chunkBytes, root };
      const value: TransferRecord = { ...record, stage: 'ready', blob: { id: blob, key, chunkBytes, root } };
      await queueContent(account, { user, kind: 'file', body, transfer: id, with: [{ put: 'transfer', value }] });
    });
  }

  async #download(record: TransferRecord, shape: FileShape, link: Link, stopped: () => boolean): Promise<void> {
    const account = this.#account;
    const { user, id } = record;
    const download = this.#downloads.get(id) ?? new Download(record, shape, record.blob?.root ?? new Uint8Array(0));
    this.#downloads.set(id, download);
    const path = await download.run(link, this.#progress(record, 'down'), stopped);
    this.#downloads.delete(id);
    await account.serial.run(user, async () => {
      const body: Body = { kind: 'file-received', transfer: id, ok: true };
      await queueContent(account, { user, kind: 'file', body, with: [{ drop: 'transfer', key: id }] });
    });
    wipe(shape.key);
    account.emit({ kind: 'fileReceived', id, from: user, path, sha256: hex(record.sha256) });
  }

  /** A file that cannot be taken: the sender hears of it. */
  async #giveUp(record: TransferRecord, code: Code): Promise<void> {
    const account = this.#account;
    const { user, id, name } = record;
    await this.#downloads.get(id)?.discard();
    this.#downloads.delete(id);
    await account.serial.run(user, async () => {
      const body: Body = { kind: 'file-received', transfer: id, ok: false };
      await queueContent(account, { user, kind: 'file', body, with: [{ drop: 'transfer', key: id }] });
    });
    account.emit({ kind: 'fileFailed', id, user, name, code });
  }

  async #end(record: TransferRecord, code: Code): Promise<void> {
    const account = this.#account;
    await account.serial.run(record.user, async () => {
      const ended = this.stepFailed(record.id, code);
      if (ended === undefined) return;
      await account.ledger.commit(ended.changes);
      ended.after();
    });
  }

  #progress({ id, bytes: of }: TransferRecord, direction: 'up' | 'down'): (bytes: number) => void {
    let shownMs = 0;
    return (bytes) => {
      const nowMs = this.#account.nowMs();
      if (bytes < of && Math.abs(nowMs - shownMs) < PROGRESS_MS) return;
      shownMs = nowMs;
      this.#account.emit({ kind: 'fileProgress', id, bytes, of, direction });
    };
  }
}

/** Name, size and hashes of a file to be offered. */
async function describe(
  path: string,
  bytesMax: number,
): Promise<Pick<TransferRecord, 'name' | 'bytes' | 'sha256' | 'path' | 'chunks'>> {
  const facts = await stat(path).catch((cause: unknown) => {
    const missing = cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR');
    throw new SecureChatError(missing ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE', {}, { cause });
  });
  if (!facts.isFile()) throw new SecureChatError('FILE_UNREADABLE', { text: 'This is not a regular file.' });
  if (facts.size > bytesMax) throw new SecureChatError('FILE_TOO_LARGE');
  const shape = { chunkBytes: limits.fileChunkBytesMax.value, totalBytes: facts.size };
  try {
    const file = await open(path, 'r');
    try {
      const whole = hasher('sha256');
      const chunks: Uint8Array[] = [];
      for (let index = 0; index < chunkCount(shape); index += 1) {
        const place = chunkPlace(shape, index);
        const chunk = await readChunk(file, place.fileOffset, place.fileBytes);
        if (chunk === undefined) throw new SecureChatError('FILE_UNREADABLE', { text: 'The file changes.' });
        whole.update(chunk);
        chunks.push(sha256(chunk));
      }
      return { name: safeFileName(basename(path)), bytes: facts.size, sha256: whole.digest(), path, chunks };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof SecureChatError) throw cause;
    throw new SecureChatError('FILE_UNREADABLE', {}, { cause });
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
