/**
 * Goal: an account does not end with the certificate of its device. Method: certificates made three years ago, the vault
 * from the hands of a server, and what a new device makes of both.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { RsaPrivate } from '@securechat/crypto';
import { generateRsa, systemEntropy, verifyAccountBundle } from '@securechat/crypto';
import { createVault } from '@securechat/e2ee';
import type { AccountId, control, Fingerprint } from '@securechat/wire';
import { idBytes } from '@securechat/wire';
import type { DeviceKeys } from '../src/shell/account/device-keys.ts';
import { certifyAccount, certifyDevice, createDeviceKeys, recoverySigning } from '../src/shell/account/device-keys.ts';
import { recoverDevice } from '../src/shell/account/recover-device.ts';
import { freshId } from '../src/shell/fresh-id.ts';

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const server = `sha256:${'A'.repeat(43)}` as Fingerprint;
const account = freshId<AccountId>(systemEntropy);
const recoveryEntropy = new Uint8Array(16).fill(7);

let identity: RsaPrivate<'identity'>;
let recoverySealing: RsaPrivate<'sealing'>;
let old: DeviceKeys;
let fresh: DeviceKeys;

before(async () => {
  [identity, recoverySealing, old, fresh] = await Promise.all([
    generateRsa('identity', 2048),
    generateRsa('sealing', 2048),
    createDeviceKeys(2048, systemEntropy),
    createDeviceKeys(2048, systemEntropy),
  ]);
});

async function loginDone(madeMs: number): Promise<control.LoginDone> {
  const certified = { identity, account, sequence: 1, nowMs: madeMs };
  const recovery = recoverySigning(recoveryEntropy).publicKey;
  const accountJws = await certifyAccount({
    ...certified,
    username: 'alice',
    server,
    recovery,
    recoverySealing: recoverySealing.public,
  });
  const previous = new Uint8Array(0);
  const { deviceJws, listJws } = await certifyDevice({ ...certified, keys: old, listVersion: 1, previous });
  return { account: idBytes(account), accountJws, listJws, deviceJws: [deviceJws] };
}

test('the recovery words bring an account back whose device was certified three years ago', async () => {
  const nowMs = Date.now();
  const done = await loginDone(nowMs - 3 * YEAR_MS);
  const { accountJws, listJws, deviceJws } = done;
  await assert.rejects(verifyAccountBundle({ accountJws, listJws, deviceJws, server, account, nowMs }), {
    code: 'CERTIFICATE_REJECTED',
  });
  const vault = createVault({
    account,
    sequence: 1,
    identity,
    recoverySealing,
    recoveryEntropy,
    entropy: systemEntropy,
  });
  const made = await recoverDevice({
    link: {
      serverFingerprint: server,
      request: () => Promise.resolve({ $case: 'vault', value: { vault, version: 1 } }),
    },
    done,
    username: 'alice',
    recoveryEntropy,
    device: Promise.resolve(fresh),
    nowMs,
    entropy: systemEntropy,
  });
  const bundle = await verifyAccountBundle({ ...made, deviceJws: [made.deviceJws], nowMs });
  assert.equal(bundle.list.version, 2);
  assert.deepEqual(
    bundle.devices.map(({ device }) => device),
    [fresh.device],
  );
});
