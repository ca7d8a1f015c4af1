/** What a failing disk means for those who wait for a commit. The database is one that fails at a chosen statement. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommitQueue } from '../src/stores/sqlite/commit-queue.ts';
import type { DatabaseSync } from '../src/stores/sqlite/database.ts';

/** SQLite result codes. */
const IOERR = 10;
const FULL = 13;

function failing(at: string, errcode: number): CommitQueue<string> {
  const exec = (sql: string): void => {
    if (sql === at) throw Object.assign(new Error(sql), { errcode });
  };
  return new CommitQueue({ exec, isTransaction: false } as Partial<DatabaseSync> as DatabaseSync, () => undefined);
}

test('after an IO error while committing nobody is told that nothing was stored', async () => {
  const queue = failing('COMMIT', IOERR);
  const [one, two] = [queue.commit(['a']), queue.commit(['b'])];
  await Promise.all([
    assert.rejects(one, { code: 'OUTCOME_UNKNOWN' }),
    assert.rejects(two, { code: 'OUTCOME_UNKNOWN' }),
  ]);
});

test('after it nothing more is begun, and that is said', async () => {
  const queue = failing('COMMIT', IOERR);
  await assert.rejects(queue.commit(['a']), { code: 'OUTCOME_UNKNOWN' });
  await assert.rejects(queue.commit(['b']), { code: 'PROFILE_UNWRITABLE' });
});

test('an IO error before the commit stored nothing, nor does a full disk', async () => {
  await assert.rejects(failing('BEGIN IMMEDIATE', IOERR).commit(['a']), { code: 'PROFILE_UNWRITABLE' });
  await assert.rejects(failing('COMMIT', FULL).commit(['a']), { code: 'PROFILE_UNWRITABLE' });
});
