/** People with real keys and certificates. RSA keys are dear: made once per process, the same for every run. */
import type { AccountRecord } from '@securechat/client/engine';
import { certifyAccount, certifyDevice, freshId, recoverySigning } from '@securechat/client/engine';
import type { RsaPrivate } from '@securechat/crypto';
import { ed25519, generateRsa, seededEntropy, sha256 } from '@securechat/crypto';
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
}

export interface Cast {
  readonly people: readonly Person[];
  readonly serverIdentity: RsaPrivate<'identity'>;
  readonly serverSealing: RsaPrivate<'sealing'>;
}

export const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin'] as const;

let made: Promise<Cast> | undefined;

export function cast(): Promise<Cast> {
  made ??= makeCast();
  return made;
}

async function makeCast(): Promise<Cast> {
  const [serverIdentity, serverSealing] = await Promise.all([
    generateRsa('identity', BITS),
    generateRsa('sealing', BITS),
  ]);
  const server = serverIdentity.public.fingerprint;
  const people = await Promise.all(NAMES.map((name) => makePerson(name, server)));
  return { people, serverIdentity, serverSealing };
}

async function makePerson(username: string, server: Fingerprint): Promise<Person> {
  const entropy = seededEntropy(username);
  const [identity, sealing, recoverySealing] = await Promise.all([
    generateRsa('identity', BITS),
    generateRsa('sealing', BITS),
    generateRsa('sealing', BITS),
  ]);
  const account = freshId<AccountId>(entropy);
  const signing = ed25519.generate(entropy);
  const keys = { device: freshId<DeviceId>(entropy), signing, sealing };
  const recovery = recoverySigning(entropy(16));
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
  return { name: username, record, served };
}
