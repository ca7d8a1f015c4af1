/** What the tests of the local store share: temporary folders, one set of secrets, a store made once per file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { StoreChange } from '../src/stores/port.ts';
import type { SqliteStore } from '../src/stores/sqlite/store.ts';
import { createStore, drawStoreKey, unlockKeysWithRecovery } from '../src/stores/sqlite/open-store.ts';

export const password = 'correct horse battery';
export const recoveryEntropy = new Uint8Array(16).fill(7);

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'securechat-client-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function newStore(directory: string, initial: readonly StoreChange[] = []): Promise<SqliteStore> {
  return createStore({ directory, key: await drawStoreKey({ password, recoveryEntropy }), initial });
}

/** By the recovery words: they need no stretching. */
export async function reopen(directory: string): Promise<SqliteStore> {
  const keys = await unlockKeysWithRecovery({ directory, recoveryEntropy });
  return keys.open();
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const plain = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);
