/**
 * Login (docs/protocol/accounts.md). With a profile the password unlocks it, connection or not, and the device attaches
 * with its keys; near the end of its certificate the password is asked of the server as well, to renew it. Without one the password opens the account at the server and the recovery words its vault; this device
 * becomes the account's only one, and conversations go on in successor groups.
 */
import { systemEntropy, wipe } from '@securechat/crypto';
import type { Fingerprint } from '@securechat/wire';
import { normaliseUsername, SecureChatError } from '@securechat/wire';
import type { ClientOptions } from '../../api.ts';
import type { AccountRecord } from '../../core/record-account.ts';
import { normalisedPassword } from '../../password.ts';
import { accountFolder, findAccount } from '../../profile.ts';
import { recoveryEntropyOf } from '../../recovery-words.ts';
import { drawStoreKey, hasStore } from '../../stores/sqlite/open-store.ts';
import type { DeviceKeys } from './device-keys.ts';
import { createDeviceKeys } from './device-keys.ts';
import { ForwardedEvents } from '../link/link-events.ts';
import { replaceDevice } from './new-device.ts';
import type { OpenProfile } from './open-profile.ts';
import { claimFolder, createProfile, unlockProfile } from './open-profile.ts';
import { publishDevice, recoverDevice } from './recover-device.ts';
import { isRenewalDue, renewDevice } from './renew-device.ts';
import type { OpenedLink, ServerAt } from '../link/server-pin.ts';
import { isNews, openPinned, remember } from '../link/server-pin.ts';

export interface SignInInput {
  readonly at: ServerAt;
  readonly options: ClientOptions;
  readonly username: string;
  readonly password: string;
  readonly recoveryWords: string | undefined;
  /** From another process of this machine that has the account open; otherwise PROFILE_LOCKED where that does not leave. */
  readonly takeOver: boolean;
  readonly nowMs: () => number;
  readonly onPinned: (fingerprint: Fingerprint) => void;
}

export interface SignedIn {
  readonly profile: OpenProfile;
  /** Logged in and not attached yet. */
  readonly opened: { readonly link: OpenedLink; readonly events: ForwardedEvents } | undefined;
}

export async function signIn(input: SignInInput): Promise<SignedIn> {
  const username = nameOf(input.username);
  const password = normalisedPassword(input.password);
  input.options.onProgress?.('password', undefined);
  const folder = findAccount(input.at.profileDirectory, input.at.address, username);
  if (folder !== undefined) return renewed(input, await unlockProfile(folder, password, input), { username, password });

  // The same server may be known under another address: then its key leads to the profile.
  const words = input.recoveryWords;
  const keys = words === undefined ? undefined : createDeviceKeys(input.options.rsaBits ?? 3072, systemEntropy);
  keys?.catch(() => undefined);
  const events = new ForwardedEvents();
  const opened = await openPinned(input.at, events);
  try {
    const elsewhere = accountFolder(input.at.profileDirectory, opened.opened.pin.fingerprint, username);
    if (hasStore(elsewhere)) {
      const profile = await unlockProfile(elsewhere, password, input);
      remember(input.at, opened.opened);
      opened.link.close();
      return await renewed(input, profile, { username, password });
    }
    const { account, recoveryEntropy } = await recover(input, opened, { username, password, words, keys });
    try {
      const key = await drawStoreKey({ password, recoveryEntropy });
      const lock = claimFolder(input.at.profileDirectory, elsewhere);
      const profile = await createProfile({ folder: elsewhere, lock, key, account }).catch(async (error: unknown) => {
        await lock.release();
        throw error;
      });
      try {
        await publishDevice(opened.link, account);
      } catch (error) {
        await profile.store.close();
        await profile.lock.release();
        throw error;
      }
      return { profile, opened: { link: opened, events } };
    } finally {
      wipe(recoveryEntropy);
    }
  } catch (error) {
    opened.link.close();
    throw error;
  }
}

/**
 * The open profile; where the end of its certificate is near, with a login that made the next one. It is not what the
 * person came for: whatever fails now is tried at the next login.
 */
async function renewed(
  input: SignInInput,
  profile: OpenProfile,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<SignedIn> {
  const { ledger } = profile;
  const nowMs = input.nowMs();
  const events = new ForwardedEvents();
  let opened: OpenedLink | undefined;
  try {
    if (!(await isRenewalDue(ledger, nowMs))) return { profile, opened: undefined };
    opened = await openPinned(input.at, events);
    const { done, exportKey } = await logIn(input, opened, username, password);
    await renewDevice({ ledger, link: opened.link, done, exportKey, nowMs, entropy: systemEntropy }).finally(() =>
      wipe(exportKey),
    );
    return { profile, opened: { link: opened, events } };
  } catch {
    opened?.link.close();
    return { profile, opened: undefined };
  }
}

/**
 * This profile's device was ended by a recovery elsewhere: with the words it becomes the account's device again, with new
 * keys and its history.
 */
export async function recoverInto(input: SignInInput, profile: OpenProfile): Promise<SignedIn['opened']> {
  const keys = createDeviceKeys(input.options.rsaBits ?? 3072, systemEntropy);
  keys.catch(() => undefined);
  const events = new ForwardedEvents();
  const opened = await openPinned(input.at, events);
  try {
    const username = nameOf(input.username);
    const password = normalisedPassword(input.password);
    const { account, recoveryEntropy } = await recover(input, opened, {
      username,
      password,
      words: input.recoveryWords,
      keys,
    });
    wipe(recoveryEntropy);
    await replaceDevice(profile.ledger, account);
    await publishDevice(opened.link, account);
    return { link: opened, events };
  } catch (error) {
    opened.link.close();
    throw error;
  }
}

interface Recovery {
  readonly username: string;
  readonly password: string;
  readonly words: string | undefined;
  readonly keys: Promise<DeviceKeys> | undefined;
}

/** The account record of this new device, certified by the identity from the vault. Nothing is published yet. */
async function recover(
  input: SignInInput,
  opened: OpenedLink,
  { username, password, words, keys }: Recovery,
): Promise<{ readonly account: AccountRecord; readonly recoveryEntropy: Uint8Array }> {
  const { done, exportKey } = await logIn(input, opened, username, password);
  let recoveryEntropy: Uint8Array | undefined;
  try {
    if (words === undefined || keys === undefined) throw new SecureChatError('RECOVERY_WORDS_REQUIRED');
    recoveryEntropy = recoveryEntropyOf(words);
    const account = await recoverDevice({
      link: opened.link,
      done,
      username,
      recoveryEntropy,
      exportKey,
      device: keys,
      nowMs: input.nowMs(),
      entropy: systemEntropy,
    });
    return { account, recoveryEntropy };
  } catch (error) {
    wipe(recoveryEntropy);
    throw error;
  } finally {
    wipe(exportKey);
  }
}

/** By the password, asked of the server; its keys are remembered. The caller wipes the export key. */
async function logIn(input: SignInInput, { link, opened }: OpenedLink, username: string, password: string) {
  const { done, exportKey, opaqueKey } = await link.login(username, password);
  if (isNews(opened)) input.onPinned(opened.pin.fingerprint);
  remember(input.at, opened, opaqueKey);
  return { done, exportKey };
}

/** What is no name is nobody's: the same answer as for a wrong password. */
function nameOf(text: string): string {
  try {
    return normaliseUsername(text);
  } catch (cause) {
    throw new SecureChatError('AUTH_FAILED', {}, { cause });
  }
}
