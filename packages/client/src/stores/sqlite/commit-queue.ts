/**
 * Group commit: what is asked for in one turn of the event loop shares one transaction and one fsync. Each caller's
 * changes are still all there or all absent, and a reader flushes first.
 */
import type { Code } from '@securechat/wire';
import { SecureChatError } from '@securechat/wire';
import type { DatabaseSync } from './database.ts';
import { isInputOutputError, profileError } from './database.ts';

const ofTheDisk: ReadonlySet<Code> = new Set<Code>(['PROFILE_UNWRITABLE', 'OUTCOME_UNKNOWN']);

interface Waiting<Change> {
  readonly changes: readonly Change[];
  readonly done: () => void;
  readonly failed: (error: SecureChatError) => void;
}

export class CommitQueue<Change> {
  readonly #database: DatabaseSync;
  readonly #apply: (change: Change) => void;
  #waiting: Waiting<Change>[] = [];
  #broken: SecureChatError | undefined;

  constructor(database: DatabaseSync, apply: (change: Change) => void) {
    this.#database = database;
    this.#apply = apply;
  }

  /**
   * Resolves when the changes are on disk; until then they must not be altered. PROFILE_UNWRITABLE: none of them is.
   * OUTCOME_UNKNOWN: all of them are or none, and nothing more is written until the database is opened again.
   */
  commit(changes: readonly Change[]): Promise<void> {
    const { promise, resolve: done, reject: failed } = Promise.withResolvers<void>();
    if (this.#waiting.length === 0) setImmediate(() => this.flush());
    this.#waiting.push({ changes, done, failed });
    return promise;
  }

  /** Commits what waits, now. Never throws: each waiting caller hears its own outcome. */
  flush(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const error = this.#transaction(waiting.flatMap(({ changes }) => changes));
    if (error === undefined) for (const { done } of waiting) done();
    // One caller's fault must not be another's: each alone.
    else if (waiting.length > 1 && !ofTheDisk.has(error.code)) for (const each of waiting) this.#settleAlone(each);
    else for (const { failed } of waiting) failed(error);
  }

  #settleAlone({ changes, done, failed }: Waiting<Change>): void {
    const error = this.#transaction(changes);
    if (error === undefined) done();
    else failed(error);
  }

  #transaction(changes: readonly Change[]): SecureChatError | undefined {
    if (this.#broken !== undefined) return this.#broken;
    let committing = false;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const change of changes) this.#apply(change);
      committing = true;
      this.#database.exec('COMMIT');
      return undefined;
    } catch (cause) {
      this.#rollBack();
      const error = profileError(cause);
      if (!isInputOutputError(cause)) return error;
      // After a failed write or fsync nobody knows what is on the disk; only opening it again tells.
      this.#broken = error;
      return committing ? new SecureChatError('OUTCOME_UNKNOWN', {}, { cause }) : error;
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    } catch {
      // SQLite rolled back by itself (full disk).
    }
  }
}
