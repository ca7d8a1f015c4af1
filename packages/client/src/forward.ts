/** From a process that cannot open an account, because another one has it, to that one: lines of JSON-RPC. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ForwardedLines } from './api.ts';
import type { BusyLock } from './lock.ts';
import { openAccountLock } from './lock.ts';
import { normalisedPassword } from './password.ts';
import { findAccount } from './profile.ts';
import { unlockKeys } from './stores/sqlite/open-store.ts';
import { parseServerAddress, SecureChatError } from '@securechat/wire';

/** How long one holder that takes no lines is waited for: it has just begun, is about to end, or sends one message. */
const HOLDER_MS = 30_000;
const POLL_MS = 50;

/**
 * Lines to and from the process of this machine that has the account open; `undefined` when none has, or when there is no
 * such account here: then log in. The password proves that the account is the caller's. AUTH_FAILED, PROFILE_LOCKED (the
 * holder takes no lines, and stays), and the errors of a profile.
 */
export async function forwardToHolder(account: {
  readonly server: string;
  readonly profileDirectory: string;
  readonly username: string;
  readonly password: string;
}): Promise<ForwardedLines | undefined> {
  const folder = findAccount(account.profileDirectory, parseServerAddress(account.server), account.username);
  if (folder === undefined) return undefined;
  const first = await busyLock(folder);
  if (first === undefined) return undefined;
  const keys = await unlockKeys({ directory: folder, password: normalisedPassword(account.password) });
  try {
    return await forwardThrough(folder, first, keys.proofKey);
  } finally {
    keys.wipe();
  }
}

async function forwardThrough(
  folder: string,
  first: BusyLock,
  proofKey: Uint8Array,
): Promise<ForwardedLines | undefined> {
  let lock: BusyLock | undefined = first;
  let { holder } = first;
  for (let sinceMs = performance.now(); lock !== undefined; lock = await busyLock(folder)) {
    if (lock.holder !== holder) {
      ({ holder } = lock);
      sinceMs = performance.now();
    }
    try {
      return await lock.forward(proofKey);
    } catch (error) {
      const mayPass = error instanceof SecureChatError && error.code === 'PROFILE_LOCKED';
      if (!mayPass || performance.now() - sinceMs > HOLDER_MS) throw error;
    }
    await delay(POLL_MS);
  }
  return undefined;
}

/** `undefined` where nobody has the account. */
async function busyLock(folder: string): Promise<BusyLock | undefined> {
  const lock = openAccountLock(folder);
  if (lock.kind === 'busy') return lock;
  await lock.release();
  return undefined;
}
