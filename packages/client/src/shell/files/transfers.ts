/** Files: offered, answered, sent, fetched. Each step is a content in the conversation and a state on disk. */
import { resolve } from 'node:path';
import { wipe } from '@securechat/crypto';
import type { Body, FileShape, TransferId } from '@securechat/e2ee';
import type { Code } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import { isPassing } from '../../core/answers.ts';
import type { TransferRecord, TransferStage } from '../../core/record-transfer.ts';
import { describeFile } from './describe-file.ts';
import { Download } from './download.ts';
import { freshId } from '../fresh-id.ts';
import { Jobs } from './jobs.ts';
import type { LedgerChange } from '../ledger/ledger-change.ts';
import type { Link } from '../link/link-port.ts';
import type { OpenAccount } from '../open-account.ts';
import { failureOf } from '../open-account.ts';
import { findPlaced, placeFile } from './place-file.ts';
import { queueContent } from '../send/queue.ts';
import type { StateChange } from '../send/settle.ts';
import { proveRoom, removeTemporary } from './temporary-file.ts';
import { upload } from './upload.ts';

/** Files under way at once, in either direction; the rest waits. */
const JOBS_MAX = 2;
/** The server forgets blobs after 30 days. */
const KEPT_MS = 30 * 24 * 60 * 60 * 1000;
const PROGRESS_MS = 100;
/** After something that passes, on a connection that holds; after a full disk. */
const RETRY_MS = 5_000;
/** What goes on with the next connection. */
const underWay: ReadonlySet<TransferStage> = new Set<TransferStage>(['sending', 'fetching', 'placing']);
/** These pass for a message; a file is too large to wait for them unasked. */
const final: ReadonlySet<Code> = new Set<Code>(['INTERNAL', 'STORAGE_FULL']);

/** One attempt on one link. */
interface Run {
  readonly record: TransferRecord;
  readonly shape: FileShape;
  readonly link: Link;
  readonly stopped: () => boolean;
  readonly signal: AbortSignal;
}

export class Transfers {
  readonly #account: OpenAccount;
  readonly #jobs = new Jobs<TransferId>(JOBS_MAX);
  readonly #stopping = new AbortController();
  readonly #downloads = new Map<TransferId, Download>();
  /** Offers whose sender waits for the answer of `sendFile` and needs no event. */
  readonly #offering = new Set<TransferId>();

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
    const facts = await describeFile(resolve(path), bytesMax);
    const id = freshId<TransferId>(account.entropy);
    const { name, bytes } = facts;
    const record: TransferRecord = {
      id,
      direction: 'up',
      stage: 'offered',
      user,
      ...facts,
      blob: undefined,
      placed: '',
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

  /** Answers an offer. NO_SUCH_TRANSFER unless it waits for an answer, FILE_UNWRITABLE: it goes on waiting. */
  async answer(id: string, accepted: boolean, directory: string): Promise<void> {
    const account = this.#account;
    const found = account.ledger.transfers.get(id as TransferId);
    if (found === undefined) throw new SecureChatError('NO_SUCH_TRANSFER');
    const { user } = found;
    await account.serial.run(user, async () => {
      const record = account.ledger.transfers.get(found.id);
      if (record?.direction !== 'down' || record.stage !== 'offered') throw new SecureChatError('NO_SUCH_TRANSFER');
      const path = resolve(directory);
      if (accepted) await proveRoom({ ...record, path });
      const change: LedgerChange = accepted
        ? { put: 'transfer', value: { ...record, stage: 'accepted', path } }
        : { drop: 'transfer', key: record.id };
      const body: Body = { kind: 'file-answer', transfer: record.id, accept: accepted };
      const transfer = accepted ? { transfer: record.id } : {};
      await queueContent(account, { user, kind: 'file', body, ...transfer, with: [change] });
    });
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
        if (record.stage === 'fetching' || record.stage === 'placing') void removeTemporary(record);
        const { user, name } = record;
        if (!quiet) this.#account.emit({ kind: 'fileFailed', id, user, name, code });
      },
    };
  }

  /** After attaching: what was under way goes on, what is too old ends. */
  async resume(): Promise<void> {
    const account = this.#account;
    if (account.ended()) return;
    const old = account.nowMs() - KEPT_MS;
    const later = (): void => void setTimeout(() => void this.resume(), RETRY_MS).unref();
    for (const record of account.ledger.transfers.values()) {
      if (record.sinceMs < old) await this.#end(record, 'EXPIRED').catch(later);
      else if (underWay.has(record.stage)) this.start(record.id);
    }
  }

  /** The account closes: what runs ends, open files are closed; on disk everything stays as it is. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#jobs.stop();
    await Promise.all([...this.#downloads.values()].map((download) => download.pause()));
    this.#downloads.clear();
  }

  /** Goes on with what the record says, if there is a connection. */
  start(id: TransferId): void {
    this.#jobs.start(id, () => this.#work(id));
  }

  async #work(id: TransferId): Promise<void> {
    const account = this.#account;
    const record = account.ledger.transfers.get(id);
    const link = account.link();
    if (record?.blob === undefined || link === undefined || account.ended()) return;
    const { blob, bytes } = record;
    const shape: FileShape = { blob: blob.id, key: blob.key, chunkBytes: blob.chunkBytes, totalBytes: bytes };
    const stopped = (): boolean => account.ended() || account.link() !== link || !account.ledger.transfers.has(id);
    const run: Run = { record, shape, link, stopped, signal: this.#stopping.signal };
    try {
      if (record.direction === 'up') await this.#upload(run);
      else await this.#download(run);
    } catch (cause) {
      const { code } = failureOf(cause);
      // The next connection goes on with it, or is there already.
      if (stopped()) return void setImmediate(() => this.start(id));
      const later = (): void => void setTimeout(() => this.start(id), RETRY_MS).unref();
      if (isPassing(code) && !final.has(code)) return later();
      // Where its end cannot be stored, it comes to the same end again.
      await (record.direction === 'down' ? this.#giveUp(record, code) : this.#end(record, code)).catch(later);
    }
  }

  async #upload(run: Run): Promise<void> {
    const account = this.#account;
    const { record, shape } = run;
    const { user, id } = record;
    const recipient = account.ledger.contacts.get(user)?.account;
    if (recipient === undefined) throw new SecureChatError('NO_SUCH_USER');
    const root = await upload({ ...run, recipient, onProgress: this.#progress(record, 'up') });
    await account.serial.run(user, async () => {
      if (!account.ledger.transfers.has(id)) return;
      const { blob, key, chunkBytes } = shape;
      const body: Body = { kind: 'file-ready', transfer: id, blob, key, chunkBytes, root };
      const value: TransferRecord = { ...record, stage: 'ready', blob: { id: blob, key, chunkBytes, root } };
      await queueContent(account, { user, kind: 'file', body, transfer: id, with: [{ put: 'transfer', value }] });
    });
  }

  async #download(run: Run): Promise<void> {
    const account = this.#account;
    const { record, shape } = run;
    const { user, id } = record;
    const path = await this.#placed(run);
    await account.serial.run(user, async () => {
      const body: Body = { kind: 'file-received', transfer: id, ok: true };
      await queueContent(account, { user, kind: 'file', body, with: [{ drop: 'transfer', key: id }] });
    });
    wipe(shape.key);
    account.emit({ kind: 'fileReceived', id, from: user, path, sha256: hex(record.sha256) });
  }

  /** The file under its name: fetched now, or before a crash. */
  async #placed(run: Run): Promise<string> {
    const { record } = run;
    const found = record.stage === 'placing' ? await findPlaced(record) : 'gone';
    if (found === 'placed') return record.placed;
    if (found === 'gone') {
      // What is fetched now must not be taken for whole after the next crash.
      if (record.stage === 'placing') await this.#note(record, 'fetching', '');
      await this.#fetch(run);
    }
    return placeFile(record, (path) => this.#note(record, 'placing', path));
  }

  async #fetch({ record, shape, ...run }: Run): Promise<void> {
    const { id } = record;
    const download = this.#downloads.get(id) ?? new Download(record, shape, record.blob?.root ?? new Uint8Array(0));
    this.#downloads.set(id, download);
    await download.run({ ...run, onProgress: this.#progress(record, 'down') });
    this.#downloads.delete(id);
  }

  /** CONNECTION_LOST when it ended meanwhile: then there is nothing more to do. */
  async #note(record: TransferRecord, stage: TransferStage, placed: string): Promise<void> {
    const { serial, ledger } = this.#account;
    await serial.run(record.user, async () => {
      if (!ledger.transfers.has(record.id)) throw new SecureChatError('CONNECTION_LOST');
      await ledger.commit([{ put: 'transfer', value: { ...record, stage, placed } }]);
    });
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

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
