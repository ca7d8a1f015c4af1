/** People with real keys and certificates. RSA keys are dear: made once per process, the same for every run. */
import type { AccountRecord } from '@securechat/client/engine';
import { certifyAccount, freshId, newAccountRecord, recoverySigning } from '@securechat/client/engine';
import type { RsaPrivate, RsaPurpose } from '@securechat/crypto';
import { ed25519, generateRsa, importRsaPrivate, seededEntropy, sha256 } from '@securechat/crypto';
import { createVault } from '@securechat/e2ee';
import type { AccountRecord as ServerRecord } from '@securechat/server/parts';
import type { AccountId, DeviceId, Fingerprint } from '@securechat/wire';
import { toBase64url } from '@securechat/wire';

/** When virtual time begins, Unix ms. */
export const BEGIN_MS: number = Date.UTC(2030, 0, 1);
const BITS = 2048;

export interface Person {
  readonly name: string;
  /** What lies in the profile of the one device. */
  readonly record: AccountRecord;
  /** What the server has of the account. */
  readonly served: ServerRecord;
  readonly vault: Uint8Array;
  /** What the recovery words stand for, 16 bytes. */
  readonly recoveryEntropy: Uint8Array;
  /** For a reset of the keys. */
  readonly spare: { readonly identity: RsaPrivate<'identity'>; readonly sealing: RsaPrivate<'sealing'> };
  /** For a device that comes by the recovery words. */
  readonly nextSealing: RsaPrivate<'sealing'>;
}

export interface Cast {
  readonly people: readonly Person[];
  readonly serverIdentity: RsaPrivate<'identity'>;
  readonly serverSealing: RsaPrivate<'sealing'>;
}

export const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin'] as const;

/** Private keys, PKCS #8: the server's two, then six for each person. They take seconds to make. */
export type Keys = readonly Uint8Array[];
const SERVER_KEYS = 2;
const PERSON_KEYS = 6;

export async function makeKeys(count: number = SERVER_KEYS + PERSON_KEYS * NAMES.length): Promise<Keys> {
  const made = await Promise.all(Array.from({ length: count }, () => generateRsa('identity', BITS)));
  return made.map((key) => key.exportPkcs8());
}

let given: Keys | undefined;
let server: Promise<Omit<Cast, 'people'>> | undefined;
const people = new Map<string, Promise<Person>>();

/** Keys that another process or thread has made, before the first run of this one. */
export function giveKeys(keys: Keys): void {
  given = keys;
}

/** The same in every run of this process; made when they are needed first. */
export async function cast(names: readonly string[]): Promise<Cast> {
  server ??= makeServer();
  const { serverIdentity, serverSealing } = await server;
  const { fingerprint } = serverIdentity.public;
  const made = names.map((name) => {
    const known = people.get(name) ?? makePerson(name, fingerprint);
    people.set(name, known);
    return known;
  });
  return { serverIdentity, serverSealing, people: await Promise.all(made) };
}

async function keysFrom(first: number, count: number): Promise<Keys> {
  return given?.slice(first, first + count) ?? makeKeys(count);
}

async function makeServer(): Promise<Omit<Cast, 'people'>> {
  const [identity = none, sealing = none] = await keysFrom(0, SERVER_KEYS);
  return {
    serverIdentity: importRsaPrivate('identity', identity),
    serverSealing: importRsaPrivate('sealing', sealing),
  };
}

const none = new Uint8Array(0);

async function keyPairsOf(username: string) {
  const place = NAMES.findIndex((name) => name === username);
  const keys = await keysFrom(SERVER_KEYS + PERSON_KEYS * place, PERSON_KEYS);
  const pair = <P extends RsaPurpose>(purpose: P, at: number): RsaPrivate<P> =>
    importRsaPrivate(purpose, keys[at] ?? none);
  return {
    identity: pair('identity', 0),
    sealing: pair('sealing', 1),
    recoverySealing: pair('sealing', 2),
    spare: { identity: pair('identity', 3), sealing: pair('sealing', 4) },
    nextSealing: pair('sealing', 5),
  };
}

async function makePerson(username: string, server: Fingerprint): Promise<Person> {
  const { identity, sealing, recoverySealing, spare, nextSealing } = await keyPairsOf(username);
  const entropy = seededEntropy(username);
  const account = freshId<AccountId>(entropy);
  const signing = ed25519.generate(entropy);
  const keys = { device: freshId<DeviceId>(entropy), signing, sealing };
  const recoveryEntropy = entropy(16);
  const recovery = recoverySigning(recoveryEntropy);
  const certified = { account, sequence: 1, identity, nowMs: BEGIN_MS };
  const accountJws = await certifyAccount({
    ...certified,
    username,
    server,
    recovery: recovery.publicKey,
    recoverySealing: recoverySealing.public,
  });
  const { device } = keys;
  const record = await newAccountRecord({
    ...certified,
    keys,
    listVersion: 1,
    previous: new Uint8Array(0),
    stage: 'registered',
    server,
    username,
    accountJws,
  });
  const { deviceJws, listJws } = record;
  const served: ServerRecord = {
    username,
    opaque: '',
    sequence: 1,
    identity: identity.public.fingerprint,
    recovery: toBase64url(recovery.publicKey),
    accountJws,
    listJws,
    listVersion: 1,
    listHash: toBase64url(sha256(new TextEncoder().encode(listJws))),
    devices: [
      { device, jws: deviceJws, signing: toBase64url(signing.publicKey), sealing: toBase64url(sealing.public.spki) },
    ],
    ended: [],
    disabled: false,
    resets: { count: 0 },
  };
  const vault = createVault({ account, sequence: 1, identity, recoverySealing, recoveryEntropy, entropy });
  return { name: username, record, served, vault, recoveryEntropy, spare, nextSealing };
}
