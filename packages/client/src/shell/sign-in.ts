/**
 * Login (docs/protocol/accounts.md). With a profile the password unlocks it, connection or not, and the device attaches
 * with its keys. Without one the password opens the account at the server and the recovery words its vault; this device
 * becomes the account's only one, and conversations go on in successor groups.
 */
import type { AccountBundle } from '@securechat/crypto';
import { systemEntropy, verifyAccountBundle, wipe } from '@securechat/crypto';
import { openVault } from '@securechat/e2ee';
import type { AccountId, control, Fingerprint } from '@securechat/wire';
import { idOf, normaliseUsername, SecureChatError } from '@securechat/wire';
import type { ClientOptions } from '../api.ts';
import type { AccountRecord } from '../core/record-account.ts';
import { normalisedPassword } from '../password.ts';
import { accountFolder, findAccount } from '../profile.ts';
import { recoveryEntropyOf } from '../recovery-words.ts';
import { hasStore } from '../stores/sqlite/store.ts';
import type { DeviceKeys } from './device-keys.ts';
import { certifyDevice, createDeviceKeys } from './device-keys.ts';
import { ForwardedEvents } from './link-events.ts';
import type { Link } from './link-port.ts';
import { replaceDevice } from './new-device.ts';
import type { OpenProfile } from './open-profile.ts';
import { claimFolder, createProfile, unlockProfile } from './open-profile.ts';
import type { OpenedLink, ServerAt } from './server-pin.ts';
import { isNews, openPinned, remember } from './server-pin.ts';

export interface SignInInput {
  readonly at: ServerAt;
  readonly options: ClientOptions;
  readonly username: string;
  readonly password: string;
  readonly recoveryWords: string | undefined;
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
  if (folder !== undefined) return { profile: await unlockProfile(folder, password), opened: undefined };

  // The same server may be known under another address: then its key leads to the profile.
  const words = input.recoveryWords;
  const keys = words === undefined ? undefined : createDeviceKeys(input.options.rsaBits ?? 3072, systemEntropy);
  keys?.catch(() => undefined);
  const events = new ForwardedEvents();
  const opened = await openPinned(input.at, events);
  try {
    const elsewhere = accountFolder(input.at.profileDirectory, opened.opened.pin.fingerprint, username);
    if (hasStore(elsewhere)) {
      const profile = await unlockProfile(elsewhere, password);
      remember(input.at, opened.opened);
      opened.link.close();
      return { profile, opened: undefined };
    }
    const { account, recoveryEntropy } = await recover(input, opened, { username, password, words, keys });
    try {
      const lock = claimFolder(input.at.profileDirectory, elsewhere);
      const profile = await createProfile({ folder: elsewhere, lock, password, recoveryEntropy, account }).catch(
        async (error: unknown) => {
          await lock.release();
          throw error;
        },
      );
      try {
        await publish(opened.link, account);
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
    await publish(opened.link, account);
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
  { link, opened }: OpenedLink,
  { username, password, words, keys }: Recovery,
): Promise<{ readonly account: AccountRecord; readonly recoveryEntropy: Uint8Array }> {
  const { done, exportKey, opaqueKey } = await link.login(username, password);
  wipe(exportKey);
  if (isNews(opened)) input.onPinned(opened.pin.fingerprint);
  remember(input.at, opened, opaqueKey);
  if (words === undefined || keys === undefined) throw new SecureChatError('RECOVERY_WORDS_REQUIRED');
  const recoveryEntropy = recoveryEntropyOf(words);
  try {
    return await recovered(input, { link, done, username, recoveryEntropy, keys });
  } catch (error) {
    wipe(recoveryEntropy);
    throw error;
  }
}

async function recovered(
  input: SignInInput,
  { link, done, username, recoveryEntropy, keys }: Proven,
): Promise<{ readonly account: AccountRecord; readonly recoveryEntropy: Uint8Array }> {
  const bundle = await verifyOwn(done, link.serverFingerprint, username, input.nowMs());
  const { account, sequence } = bundle.account;
  const answer = await link.request('getVault', {});
  if (answer.$case !== 'vault') throw new SecureChatError('MALFORMED');
  const { vault } = answer.value;
  const { identity } = await openVault({ vault, account, sequence, recoveryEntropy, entropy: systemEntropy });
  if (identity.public.fingerprint !== bundle.account.identity.fingerprint)
    throw new SecureChatError('CERTIFICATE_REJECTED', { text: 'The vault holds another identity.' });
  const device = await keys;
  const { deviceJws, listJws } = await certifyDevice({
    identity,
    account,
    sequence,
    keys: device,
    listVersion: bundle.list.version + 1,
    previous: bundle.list.hash,
    nowMs: input.nowMs(),
  });
  return {
    recoveryEntropy,
    account: {
      stage: 'registered',
      server: bundle.account.server,
      account,
      username,
      device: device.device,
      accountJws: done.accountJws,
      listJws,
      deviceJws,
      signing: device.signing.privateKey,
      sealing: device.sealing.exportPkcs8(),
      vault: new Uint8Array(0),
    },
  };
}

/** The password was right; the words are a choice of the list. */
interface Proven {
  readonly link: Link;
  readonly done: control.LoginDone;
  readonly username: string;
  readonly recoveryEntropy: Uint8Array;
  readonly keys: Promise<DeviceKeys>;
}

function verifyOwn(
  done: control.LoginDone,
  server: Fingerprint,
  username: string,
  nowMs: number,
): Promise<AccountBundle> {
  const { accountJws, listJws, deviceJws } = done;
  const account = idOf<AccountId>(done.account);
  return verifyAccountBundle({ accountJws, listJws, deviceJws, server, account, username, nowMs });
}

async function publish(link: Link, { deviceJws, listJws }: AccountRecord): Promise<void> {
  await link.request('publishDevices', { deviceJws, listJws });
}

/** What is no name is nobody's: the same answer as for a wrong password. */
function nameOf(text: string): string {
  try {
    return normaliseUsername(text);
  } catch (cause) {
    throw new SecureChatError('AUTH_FAILED', {}, { cause });
  }
}
