/** Other people: keys, key packages, presence, blocks, invites. */
import { sha256 } from '@securechat/crypto';
import type { AccountId } from '@securechat/wire';
import {
  idBytes,
  idOf,
  normaliseUsername,
  presences as presenceNumbers,
  SecureChatError,
  toBase64url,
} from '@securechat/wire';
import { accept, refuse } from '../core/decision.ts';
import { decideInvite, INVITE_BYTES } from '../core/invites.ts';
import { WATCHED_MAX } from '../core/presence.ts';
import { accountOf, deviceOf } from '../shell/callers.ts';
import type { Call } from '../shell/execute.ts';
import { operation } from '../shell/execute.ts';
import { accountNamed, readRecord } from '../shell/records.ts';

export const lookup = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server, caller }: Call<'lookup'>) {
    const own = accountOf(caller);
    for (const rate of [server.rates.lookupsHour, server.rates.lookupsDay]) {
      const spent = rate.spend(own);
      if (spent.kind === 'refused') throw new SecureChatError('RATE_LIMITED', { retryAfterMs: spent.retryAfterMs });
    }
    const { who } = request;
    if (who === undefined) throw new SecureChatError('MALFORMED');
    if (who.$case === 'username') return accountNamed(server.store, nameOrNobody(who.value));
    const account = idOf<AccountId>(who.value);
    const record = (await readRecord(server.store, 'account', account))?.value;
    return record && { account, record };
  },
  // Unknown, deleted and disabled look alike.
  decide: (_call, found) => (found === undefined || found.record.disabled ? refuse('NO_SUCH_USER') : accept(found)),
  apply: (_call, { account, record }) => ({
    $case: 'lookup',
    value: {
      account: idBytes(account),
      accountJws: record.accountJws,
      listJws: record.listJws,
      deviceJws: record.devices.map(({ jws }) => jws),
    },
  }),
});

/** What can be no name is nobody's. */
function nameOrNobody(text: string): string {
  try {
    return normaliseUsername(text);
  } catch {
    return '';
  }
}

/** The owner is told to bring more when this few are left. */
const STOCK_LOW = 20;

export const claimKeyPackages = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server, caller }: Call<'claimKeyPackages'>) {
    const own = accountOf(caller);
    const target = idOf<AccountId>(request.account);
    const pair = server.rates.claimsByPair.spend(`${own}|${target}`);
    if (pair.kind === 'refused') throw new SecureChatError('RATE_LIMITED', { retryAfterMs: pair.retryAfterMs });
    const record = (await readRecord(server.store, 'account', target))?.value;
    const block = await server.acquaintances.block(target, own);
    return { target, record, block };
  },
  decide(_call, { record, block }) {
    if (record === undefined || record.disabled) return refuse('NO_SUCH_USER');
    if (block?.quiet === false) return refuse('BLOCKED');
    return accept(record.devices.map(({ device }) => device));
  },
  async apply({ server }, devices, { target }) {
    // Many together must not drain somebody: beyond the rate the packages that are never used up serve.
    const drained = server.rates.claimsByTarget.spend(target).kind === 'refused';
    const taken = await server.store.takeKeyPackages(devices, drained);
    for (const [device, { left, lastResort }] of taken)
      if (!lastResort && left <= STOCK_LOW)
        server.links.ofDevice(device)?.event({ body: { $case: 'stock', value: { left } } });
    return {
      $case: 'keyPackages',
      value: {
        packages: [...taken].map(([device, { keyPackage, lastResort }]) => ({
          device: idBytes(device),
          keyPackage,
          lastResort,
        })),
      },
    };
  },
});

export const putKeyPackages = operation({
  when: 'attached',
  cost: 1,
  load: () => null,
  decide({ request, server }: Call<'putKeyPackages'>) {
    const { limits } = server.config;
    const all = [...request.oneTime, ...(request.lastResort.length > 0 ? [request.lastResort] : [])];
    if (request.oneTime.length > limits.keyPackagesPerRequestMax) return refuse('TOO_LARGE');
    if (all.some((one) => one.length > limits.keyPackageBytesMax)) return refuse('TOO_LARGE');
    if (request.oneTime.some((one) => one.length === 0)) return refuse('MALFORMED');
    return accept(null);
  },
  async apply({ request, server, caller }) {
    const lastResort = request.lastResort.length > 0 ? request.lastResort : undefined;
    const left = await server.store.putKeyPackages(
      deviceOf(caller),
      request.oneTime,
      lastResort,
      request.withdraw === true,
    );
    return { $case: 'stock', value: { left } };
  },
});

export const getPresence = operation({
  when: 'attached',
  cost: 1,
  load: async ({ request, server }: Call<'getPresence'>) => {
    const account = idOf<AccountId>(request.account);
    return { account, exists: (await readRecord(server.store, 'account', account)) !== undefined };
  },
  decide: () => accept(null),
  async apply({ server, caller }, _outcome, { account, exists }) {
    const seen = exists ? await server.presences.seenBy(accountOf(caller), account) : 'unknown';
    return { $case: 'presence', value: { presence: presenceNumbers[seen] } };
  },
});

export const watchPresence = operation({
  when: 'attached',
  cost: 5,
  async load({ request, server }: Call<'watchPresence'>) {
    if (request.accounts.length > WATCHED_MAX) throw new SecureChatError('TOO_LARGE');
    const accounts = request.accounts.map((bytes) => idOf<AccountId>(bytes));
    const known = await server.store.get('account', accounts);
    return accounts.filter((account) => known.has(account));
  },
  decide: () => accept(null),
  async apply({ server, caller }, _outcome, accounts) {
    await server.presences.watch(caller.link, accountOf(caller), accounts);
    return { $case: 'done', value: {} };
  },
});

export const block = operation({
  when: 'attached',
  cost: 1,
  async load({ request, server, caller }: Call<'block'>) {
    const other = idOf<AccountId>(request.account);
    const exists = (await readRecord(server.store, 'account', other)) !== undefined;
    return { own: accountOf(caller), other, exists };
  },
  decide({ request }, { own, other, exists }) {
    if (own === other) return refuse('SELF');
    if (request.blocked && !exists) return refuse('NO_SUCH_USER');
    return accept(null, [], { effects: [{ kind: 'presence-changed', account: own }] });
  },
  async apply({ request, server }, _outcome, { own, other }) {
    const done = await server.store.block(own, other, request.blocked, request.quiet);
    server.acquaintances.forgetBlocks(own);
    if (!done) throw new SecureChatError('QUOTA_EXCEEDED');
    return { $case: 'done', value: {} };
  },
});

export const listBlocks = operation({
  when: 'attached',
  cost: 1,
  load: ({ server, caller }: Call<'listBlocks'>) => server.store.blocks(accountOf(caller)),
  decide: () => accept(null),
  apply: (_call, _outcome, blocks) => ({
    $case: 'blocks',
    value: { accounts: blocks.map(({ account, quiet }) => ({ account: idBytes(account), quiet })) },
  }),
});

export const createInvite = operation({
  when: 'attached',
  cost: 1,
  async load({ server, caller }: Call<'createInvite'>) {
    const bytes = server.entropy(INVITE_BYTES);
    const counterKey = `invites.${accountOf(caller)}`;
    return {
      registration: server.config.registration,
      code: toBase64url(bytes),
      hash: toBase64url(sha256(bytes)),
      counterKey,
      made: await readRecord(server.store, 'counter', counterKey),
    };
  },
  decide: ({ request, server, nowMs }, facts) => decideInvite(request, facts, server.config.limits, nowMs),
  apply: (_call, made) => ({ $case: 'invite', value: made }),
});
