/**
 * Registration (docs/protocol/accounts.md). Everything that takes a person's or a processor's time (consent to the server,
 * proof of work, keys) happens before the connection that registers; the profile with all keys is on disk before the last
 * message.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { generateRsa, POW_CHALLENGE_BYTES, proofOfWork, systemEntropy, wipe } from '@securechat/crypto';
import { createPasswordSlot, createVault } from '@securechat/e2ee';
import type { AccountId, control, Fingerprint } from '@securechat/wire';
import { normaliseUsername, SecureChatError } from '@securechat/wire';
import type { ClientOptions } from '../../api.ts';
import { insistOnBearableWork } from '../../core/work-asked.ts';
import { suitablePassword } from '../../password.ts';
import { accountFolder, removeAccountFolder } from '../../profile.ts';
import { RECOVERY_ENTROPY_BYTES, recoveryWordsOf } from '../../recovery-words.ts';
import { drawStoreKey } from '../../stores/sqlite/open-store.ts';
import { newAccountRecord } from './account-record.ts';
import type { DeviceKeys } from './device-keys.ts';
import { certifyAccount, createDeviceKeys, recoverySigning } from './device-keys.ts';
import { ForwardedEvents } from '../link/link-events.ts';
import { freshId } from '../fresh-id.ts';
import { lookIn } from './look-in.ts';
import type { OpenProfile } from './open-profile.ts';
import { claimFolder, closeProfile, createProfile, discardProfile, finishRegistering } from './open-profile.ts';
import type { OpenedLink, ServerAt } from '../link/server-pin.ts';
import { openPinned, remember } from '../link/server-pin.ts';

export interface SignedUp {
  readonly profile: OpenProfile;
  /** Logged in and not attached yet; undefined when it was lost after the account was made. */
  readonly opened: { readonly link: OpenedLink; readonly events: ForwardedEvents } | undefined;
  readonly fingerprint: Fingerprint;
  readonly recoveryWords: string;
}

export interface SignUpInput {
  readonly at: ServerAt;
  readonly options: ClientOptions;
  readonly username: string;
  readonly password: string;
  readonly invite: string | undefined;
  readonly nowMs: () => number;
  /** The server's key was taken as shown, or confirmed. */
  readonly onPinned: (fingerprint: Fingerprint) => void;
}

export async function signUp(input: SignUpInput): Promise<SignedUp> {
  const username = normaliseUsername(input.username);
  const password = await suitablePassword(input.password, username);
  input.options.onProgress?.('connecting', undefined);
  const entrance = await lookIn(input);
  if (entrance.registration === 'closed') throw new SecureChatError('REGISTRATION_CLOSED');
  if (entrance.registration === 'invite' && (input.invite ?? '') === '') throw new SecureChatError('INVITE_REQUIRED');

  const recoveryEntropy = systemEntropy(RECOVERY_ENTROPY_BYTES);
  try {
    input.options.onProgress?.('keys', undefined);
    const keys = createKeys(input.options.rsaBits);
    const pow = await work(input, entrance);
    return await register(input, { username, password, recoveryEntropy, pow, keys: await keys });
  } finally {
    wipe(recoveryEntropy);
  }
}

interface Keys extends DeviceKeys {
  readonly identity: Awaited<ReturnType<typeof generateRsa<'identity'>>>;
  readonly recoverySealing: Awaited<ReturnType<typeof generateRsa<'sealing'>>>;
}

async function createKeys(bits: number | undefined): Promise<Keys> {
  const size = bits ?? 3072;
  const [identity, recoverySealing, device] = await Promise.all([
    generateRsa('identity', size),
    generateRsa('sealing', size),
    createDeviceKeys(size, systemEntropy),
  ]);
  return { identity, recoverySealing, ...device };
}

interface Proof {
  readonly challenge: Uint8Array;
  readonly nonce: Uint8Array;
}

async function work(input: SignUpInput, entrance: control.ChallengeAnswer): Promise<Proof | undefined> {
  if (entrance.registration !== 'open' || (input.invite ?? '') !== '') return undefined;
  const { challenge, powBits } = entrance;
  insistOnBearableWork(entrance);
  if (challenge.length !== POW_CHALLENGE_BYTES) throw new SecureChatError('POW_INVALID');
  const expected = 2 ** powBits;
  const nonce = await proofOfWork.solve(challenge, powBits, {
    onProgress: (hashes) => input.options.onProgress?.('proof-of-work', Math.min(0.99, hashes / expected)),
  });
  return { challenge, nonce };
}

interface Prepared {
  readonly username: string;
  readonly password: string;
  readonly recoveryEntropy: Uint8Array;
  readonly pow: Proof | undefined;
  readonly keys: Keys;
}

async function register(input: SignUpInput, prepared: Prepared): Promise<SignedUp> {
  const { at, options, invite } = input;
  const { username, password, recoveryEntropy, pow, keys } = prepared;
  options.onProgress?.('password', undefined);
  const events = new ForwardedEvents();
  const link = await openPinned(at, events);
  // While the password is stretched for the server, it is for the disk too.
  const key = drawStoreKey({ password, recoveryEntropy });
  key.catch(() => undefined);
  let profile: OpenProfile | undefined;
  let finishing = false;
  try {
    const { exportKey, opaqueKey } = await link.link.register({
      username,
      password,
      ...(invite !== undefined && invite !== '' && { invite }),
      ...(pow !== undefined && { pow }),
      certificates: async (exported) => {
        const made = await certify(link.link.serverFingerprint, prepared, exported, input.nowMs());
        const folder = accountFolder(at.profileDirectory, link.link.serverFingerprint, username);
        const lock = claimFolder(at.profileDirectory, folder);
        try {
          profile = await createProfile({ folder, lock, key: await key, account: made });
        } catch (error) {
          await lock.release();
          removeAccountFolder(folder);
          throw error;
        }
        finishing = true;
        const { accountJws, deviceJws, listJws } = made;
        return { accountJws, deviceJws, listJws };
      },
    });
    wipe(exportKey);
    if (profile === undefined) throw new SecureChatError('INTERNAL');
    finishRegistering(profile.folder);
    remember(at, link.opened, opaqueKey);
    // From here on the account exists: whatever fails now is made up for by the next connection.
    const failed = await logIn(link, username, password);
    if (failed !== undefined) link.link.close();
    const opened = failed === undefined ? { link, events } : undefined;
    const recoveryWords = recoveryWordsOf(recoveryEntropy);
    return { profile, opened, fingerprint: keys.identity.public.fingerprint, recoveryWords };
  } catch (error) {
    link.link.close();
    if (profile === undefined) {
      void key.then(({ storeKey }) => wipe(storeKey)).catch(() => undefined);
      throw error;
    }
    const lost = finishing && (!(error instanceof SecureChatError) || lostCodes.has(error.code));
    if (!lost) {
      await discardProfile(profile);
      throw error;
    }
    options.onProgress?.('connecting', undefined);
    if (!(await wasMade(at, username, password))) {
      // The server may still be at work: the keys must not be lost. Another registration may take their place.
      await closeProfile(profile);
      throw error;
    }
    finishRegistering(profile.folder);
    const recoveryWords = recoveryWordsOf(recoveryEntropy);
    return { profile, opened: undefined, fingerprint: keys.identity.public.fingerprint, recoveryWords };
  }
}

/** Undefined when logged in; otherwise why not. */
async function logIn({ link }: Pick<OpenedLink, 'link'>, username: string, password: string): Promise<unknown> {
  try {
    const { exportKey } = await link.login(username, password);
    wipe(exportKey);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Pauses before each look whether an account came to be. Each may count as a wrong password. */
const LOOKS_MS = [500, 2000, 5000];

/**
 * The last answer of a registration was lost; a refusal would have meant that there is no account. A server that knows
 * none may be storing it in this moment, so that only a login that succeeds says anything.
 */
async function wasMade(at: ServerAt, username: string, password: string): Promise<boolean> {
  for (const pauseMs of LOOKS_MS) {
    await delay(pauseMs);
    try {
      const { link } = await openPinned(at, new ForwardedEvents());
      const failed = await logIn({ link }, username, password);
      link.close();
      if (failed === undefined) return true;
    } catch {
      // Not there yet.
    }
  }
  return false;
}

const lostCodes: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'TIMEOUT', 'SHUTTING_DOWN', 'UNREACHABLE']);

async function certify(server: Fingerprint, prepared: Prepared, exportKey: Uint8Array, nowMs: number) {
  const { username, recoveryEntropy, keys } = prepared;
  const { identity, recoverySealing } = keys;
  const account = freshId<AccountId>(systemEntropy);
  const sequence = 1;
  const recovery = recoverySigning(recoveryEntropy);
  const accountJws = await certifyAccount({
    identity,
    account,
    username,
    sequence,
    server,
    recovery: recovery.publicKey,
    recoverySealing: recoverySealing.public,
    nowMs,
  });
  wipe(recovery.privateKey);
  const owner = { account, recoverySealing, entropy: systemEntropy };
  return newAccountRecord({
    identity,
    account,
    sequence,
    keys,
    listVersion: 1,
    previous: new Uint8Array(0),
    nowMs,
    stage: 'registering',
    server,
    username,
    accountJws,
    vault: createVault({ ...owner, sequence, identity, recoveryEntropy }),
    passwordSlot: createPasswordSlot({ ...owner, exportKey }),
  });
}
