/** People with real keys and certificates. RSA keys are dear: made once per process, the same for every run. */
import type { AccountRecord } from '@securechat/client/engine';
import { certifyAccount, certifyDevice, freshId, recoverySigning } from '@securechat/client/engine';
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
  /** For a reset of the keys. */
  readonly spare: { readonly identity: RsaPrivate<'identity'>; readonly sealing: RsaPrivate<'sealing'> };
}

export interface Cast {
  readonly people: readonly Person[];
  readonly serverIdentity: RsaPrivate<'identity'>;
  readonly serverSealing: RsaPrivate<'sealing'>;
}

export const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin'] as const;

/** Private keys, PKCS #8, in the order in which they are used: the server's two, then five of each person. */
export type Keys = readonly Uint8Array[];
const KEYS = 2 + 5 * NAMES.length;

export async function makeKeys(): Promise<Keys> {
  const made = await Promise.all(Array.from({ length: KEYS }, () => generateRsa('identity', BITS)));
  return made.map((key) => key.exportPkcs8());
}

let made: Promise<Cast> | undefined;

/** The people of every run of this process; `keys` of another one, since they take seconds to make. */
export function cast(keys?: Keys): Promise<Cast> {
  made ??= makeCast(keys);
  return made;
}

async function makeCast(given?: Keys): Promise<Cast> {
  const keys = [...(given ?? (await makeKeys()))];
  const next = <P extends RsaPurpose>(purpose: P): RsaPrivate<P> =>
    importRsaPrivate(purpose, keys.shift() ?? new Uint8Array(0));
  const [serverIdentity, serverSealing] = [next('identity'), next('sealing')];
  const server = serverIdentity.public.fingerprint;
  const people = NAMES.map((name) => {
    const own = { identity: next('identity'), sealing: next('sealing'), recoverySealing: next('sealing') };
    const spare = { identity: next('identity'), sealing: next('sealing') };
    return makePerson(name, server, { ...own, spare });
  });
  return { people: await Promise.all(people), serverIdentity, serverSealing };
}

async function makePerson(
  username: string,
  server: Fingerprint,
  keyPairs: Person['spare'] & Pick<Person, 'spare'> & { readonly recoverySealing: RsaPrivate<'sealing'> },
): Promise<Person> {
  const { identity, sealing, spare, recoverySealing } = keyPairs;
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
  const { deviceJws, listJws } = await certifyDevice({
    ...certified,
    keys,
    listVersion: 1,
    previous: new Uint8Array(0),
  });
  const { device } = keys;
  const record: AccountRecord = {
    stage: 'registered',
    server,
    account,
    username,
    device,
    accountJws,
    listJws,
    deviceJws,
    signing: signing.privateKey,
    sealing: sealing.exportPkcs8(),
    vault: new Uint8Array(0),
  };
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
    resets: { day: 0, count: 0 },
  };
  const vault = createVault({ account, sequence: 1, identity, recoverySealing, recoveryEntropy, entropy });
  return { name: username, record, served, vault, spare };
}
