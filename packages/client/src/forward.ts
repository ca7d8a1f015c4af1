/** From a process that cannot open an account, because another one has it, to that one: lines of JSON-RPC. */
import type { ForwardedLines } from './api.ts';
import { openAccountLock } from './lock.ts';
import { normalisedPassword } from './password.ts';
import { findAccount } from './profile.ts';
import { unlockKeys } from './stores/sqlite/open-store.ts';
import { parseServerAddress } from '@securechat/wire';

/**
 * Lines to and from the process of this machine that has the account open; `undefined` when none has, or when there is no
 * such account here: then log in. The password proves that the account is the caller's. AUTH_FAILED, PROFILE_LOCKED (the
 * holder does not answer), and the errors of a profile.
 */
export async function forwardToHolder(account: {
  readonly server: string;
  readonly profileDirectory: string;
  readonly username: string;
  readonly password: string;
}): Promise<ForwardedLines | undefined> {
  const folder = findAccount(account.profileDirectory, parseServerAddress(account.server), account.username);
  if (folder === undefined) return undefined;
  const lock = openAccountLock(folder);
  if (lock.kind === 'held') {
    await lock.release();
    return undefined;
  }
  const keys = await unlockKeys({ directory: folder, password: normalisedPassword(account.password) });
  try {
    return await lock.forward(keys.proofKey);
  } finally {
    keys.wipe();
  }
}
