import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { generateRsa, importRsaPrivate } from '@securechat/crypto';
import type { AccountId } from '@securechat/wire';
import { defaultLimits } from '@securechat/wire';
import {
  createPasswordSlot,
  createVault,
  openVault,
  openVaultByPassword,
  RECOVERY_ENTROPY_BYTES,
  replaceVaultIdentity,
} from '../src/index.ts';
import type { TestPerson } from './people.ts';
import { entropy, id, person } from './people.ts';

let alice: TestPerson;
const recoveryEntropy = entropy(RECOVERY_ENTROPY_BYTES);

before(async () => {
  alice = await person('alice');
});

const owner = () => ({ account: alice.bundle.account.account, sequence: 1 });

function vault(): Uint8Array {
  const { identity, recoverySealing } = alice;
  return createVault({ ...owner(), identity, recoverySealing, recoveryEntropy, entropy });
}

test('the words give both private keys back', async () => {
  const stored = vault();
  assert.ok(stored.length <= defaultLimits.vaultBytesMax);
  const opened = await openVault({ ...owner(), vault: stored, recoveryEntropy, entropy });
  assert.equal(opened.identity.public.fingerprint, alice.identity.public.fingerprint);
  assert.equal(opened.recoverySealing.public.fingerprint, alice.recoverySealing.public.fingerprint);
});

test('other words are RECOVERY_WORDS_WRONG', () =>
  assert.rejects(() => openVault({ ...owner(), vault: vault(), recoveryEntropy: entropy(16), entropy }), {
    code: 'RECOVERY_WORDS_WRONG',
  }));

test('a new identity goes in without the words, and the old words open it', async () => {
  const identity = await generateRsa('identity', 2048);
  const recoverySealing = alice.recoverySealing.public;
  const next = { ...owner(), sequence: 2 };
  const replaced = replaceVaultIdentity({ ...next, vault: vault(), identity, recoverySealing, entropy });
  const opened = await openVault({ ...next, vault: replaced, recoveryEntropy, entropy });
  assert.equal(opened.identity.public.fingerprint, identity.public.fingerprint);
  await assert.rejects(() => openVault({ ...owner(), vault: replaced, recoveryEntropy, entropy }), {
    code: 'MALFORMED',
  });
});

test('the vault of another account does not open', () => {
  const other = { account: id<AccountId>(), sequence: 1 };
  return assert.rejects(() => openVault({ ...other, vault: vault(), recoveryEntropy, entropy }), {
    code: 'RECOVERY_WORDS_WRONG',
  });
});

test('every eleventh byte of a vault counts', async () => {
  const stored = vault();
  for (let at = 0; at < stored.length; at += 11) {
    const changed = stored.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    await assert.rejects(
      () => openVault({ ...owner(), vault: changed, recoveryEntropy, entropy }),
      (error: { code?: string }) =>
        ['MALFORMED', 'RECOVERY_WORDS_WRONG', 'SCHEMA_NEWER', 'CERTIFICATE_REJECTED'].includes(error.code ?? ''),
      `byte ${at}`,
    );
  }
});

test('what is no vault is MALFORMED, a newer one SCHEMA_NEWER, one over vaultBytesMax refused', async () => {
  const open = (bytes: Uint8Array) => openVault({ ...owner(), vault: bytes, recoveryEntropy, entropy });
  const stored = vault();
  for (const bad of [new Uint8Array(0), stored.subarray(0, 100), Uint8Array.of(...stored, 0), Uint8Array.of(0)])
    await assert.rejects(() => open(bad), { code: 'MALFORMED' });
  await assert.rejects(() => open(Uint8Array.of(2, 0)), { code: 'SCHEMA_NEWER' });
  await assert.rejects(() => open(new Uint8Array(defaultLimits.vaultBytesMax + 1).fill(1)), { code: 'MALFORMED' });
});

test('a vault of 4096-bit keys fits vaultBytesMax', async () => {
  // One of them for both: its size is what matters, and to make one takes a second or ten.
  const identity = await generateRsa('identity', 4096);
  const recoverySealing = importRsaPrivate('sealing', identity.exportPkcs8());
  const large = createVault({ ...owner(), identity, recoverySealing, recoveryEntropy, entropy });
  assert.ok(large.length < defaultLimits.vaultBytesMax);
});

const exportKey = entropy(64);

function passwordSlot(): Uint8Array {
  return createPasswordSlot({ ...owner(), recoverySealing: alice.recoverySealing, exportKey, entropy });
}

test('the password opens the vault with the slot of a device, also after a new identity went in', async () => {
  const slot = passwordSlot();
  const opened = await openVaultByPassword({ ...owner(), vault: vault(), slot, exportKey, entropy });
  assert.equal(opened.identity.public.fingerprint, alice.identity.public.fingerprint);
  const identity = await generateRsa('identity', 2048);
  const next = { ...owner(), sequence: 2 };
  const recoverySealing = alice.recoverySealing.public;
  const replaced = replaceVaultIdentity({ ...next, vault: vault(), identity, recoverySealing, entropy });
  const later = await openVaultByPassword({ ...next, vault: replaced, slot, exportKey, entropy });
  assert.equal(later.identity.public.fingerprint, identity.public.fingerprint);
});

test('another export key, account or slot is AUTH_FAILED; the words do not open a slot', async () => {
  const slot = passwordSlot();
  const good = { ...owner(), vault: vault(), slot, exportKey, entropy };
  const damaged = slot.map((byte, at) => (at === 40 ? byte ^ 1 : byte));
  const bad = [
    { exportKey: entropy(64) },
    { exportKey: recoveryEntropy },
    { account: id<AccountId>() },
    { slot: damaged },
    { slot: slot.subarray(0, 20) },
    { slot: new Uint8Array(0) },
  ];
  for (const change of bad) await assert.rejects(openVaultByPassword({ ...good, ...change }), { code: 'AUTH_FAILED' });
});
