/** What an account does with itself: vault, device list, key reset, deletion. */
import { ed25519, sha256, verifyAccountCertificate, verifyIdentityRotation } from '@securechat/crypto';
import { fromBase64url, SecureChatError } from '@securechat/wire';
import type { AccountId } from '@securechat/wire';
import { decidePublish, decideReset } from '../core/accounts.ts';
import { accept, refuse } from '../core/decision.ts';
import type { AccountRecord } from '../core/records.ts';
import { decideVault } from '../core/vault.ts';
import { accountOf } from '../shell/callers.ts';
import { certifyAccount, certifyList } from '../shell/certify.ts';
import type { Call, Reply } from '../shell/execute.ts';
import { operation } from '../shell/execute.ts';
import { removeBlobsOf } from '../shell/blob-sweep.ts';
import type { ServerParts } from '../shell/parts.ts';
import { readRecord } from '../shell/records.ts';

export const getVault = operation({
  when: 'logged-in',
  cost: 1,
  load: async ({ server, caller }: Call<'getVault'>) => {
    const account = accountOf(caller);
    return (await server.store.get('vault', [account])).get(account);
  },
  decide: () => accept(null),
  apply: (_call, _outcome, stored) => ({
    $case: 'vault',
    value: { vault: stored?.value ?? new Uint8Array(0), version: stored?.version ?? 0 },
  }),
});

export const putVault = operation({
  when: 'logged-in',
  cost: 5,
  load: async ({ server, caller }: Call<'putVault'>) => {
    const account = accountOf(caller);
    return { account, stored: (await server.store.get('vault', [account])).get(account) };
  },
  decide: ({ request, server, caller }, { account, stored }) =>
    decideVault({ account, ...request }, stored, server.config.limits, caller.state.kind === 'attached'),
  apply: () => ({ $case: 'done', value: {} }),
});

export const publishDevices = operation({
  when: 'logged-in',
  cost: 5,
  async load({ request, server, caller, nowMs }: Call<'publishDevices'>) {
    const account = accountOf(caller);
    const stored = await readRecord(server.store, 'account', account);
    if (stored === undefined) throw new SecureChatError('NOT_AUTHENTICATED');
    if (stored.value.disabled) throw new SecureChatError('ACCOUNT_DISABLED');
    return { account, stored, list: await certifyList(server, stored.value, request, nowMs) };
  },
  decide: ({ server }, { account, stored, list }) => decidePublish(account, list, stored, server.config.limits),
  apply: () => ({ $case: 'done', value: {} }),
});

export const resetKeys = operation({
  when: 'attached',
  cost: 5,
  async load({ request, server, caller, nowMs }: Call<'resetKeys'>) {
    const account = accountOf(caller);
    const stored = await readRecord(server.store, 'account', account);
    if (stored === undefined) throw new SecureChatError('NOT_AUTHENTICATED');
    const { username } = stored.value;
    const certified = await certifyAccount(server, request, { username, account, nowMs });
    await verifyVouchers(server, stored.value, request, account, certified.sequence);
    const vault = (await server.store.get('vault', [account])).get(account);
    return { account, stored, certified, vault };
  },
  decide({ request, server, nowMs }, { account, stored, certified, vault }) {
    const { limits } = server.config;
    const wanted = { account, vault: request.vault, version: request.vaultVersion };
    const kept = decideVault(wanted, vault, limits, true);
    if (kept.kind === 'refused') return kept;
    return decideReset(certified, kept.answer, stored, limits, nowMs);
  },
  apply: () => ({ $case: 'done', value: {} }),
});

/** What vouches for a new identity is optional, but never wrong. */
async function verifyVouchers(
  server: ServerParts,
  record: AccountRecord,
  request: Call<'resetKeys'>['request'],
  account: AccountId,
  sequence: number,
): Promise<void> {
  const expected = { server: server.keys.fingerprint };
  const next = await verifyAccountCertificate(request.accountJws, expected);
  if (request.rotationJws !== '') {
    const { identity } = await verifyAccountCertificate(record.accountJws, expected);
    await verifyIdentityRotation(request.rotationJws, {
      account,
      sequence,
      old: identity,
      new: next.identity.fingerprint,
    });
  }
  if (request.recoverySignature.length > 0) {
    const signed = sha256(new TextEncoder().encode(request.accountJws));
    if (!ed25519.verify(fromBase64url(record.recovery), signed, request.recoverySignature))
      throw new SecureChatError('CERTIFICATE_REJECTED');
  }
}

export const deleteAccount = operation({
  when: 'attached',
  cost: 5,
  async load({ server, caller }: Call<'deleteAccount'>) {
    const account = accountOf(caller);
    const [stored, contacts] = await Promise.all([
      readRecord(server.store, 'account', account),
      server.store.contacts(account),
    ]);
    return { account, record: stored?.value, contacts };
  },
  decide({ request }, { account, record, contacts }) {
    if (record === undefined) return refuse('NOT_AUTHENTICATED');
    // Typed again by the person: a slip must not delete an account.
    if (request.username !== record.username) return refuse('NO_SUCH_USER');
    const devices = record.devices.map(({ device }) => device);
    return accept(account, [], {
      effects: [
        { kind: 'end-devices', devices, code: 'ACCOUNT_DISABLED' },
        { kind: 'keys-changed', account, contacts },
      ],
    });
  },
  async apply({ server, nowMs }, account): Promise<Reply> {
    for (const row of await server.store.deleteAccount(account, nowMs)) server.bus.publish(row);
    await removeBlobsOf(account, server.store, server.blobs);
    server.log.info('account deleted');
    return { kind: 'answer', body: { $case: 'done', value: {} } };
  },
});
