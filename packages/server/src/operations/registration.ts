/** Registration: challenge, OPAQUE registration, certificates (docs/protocol/accounts.md). */
import { sha256 } from '@securechat/crypto';
import { confusableSkeleton, isReservedName, normaliseUsername, SecureChatError, toBase64url } from '@securechat/wire';
import type { CertifiedAccount } from '../core/accounts.ts';
import { decideRegister, REGISTRATIONS_COUNTER } from '../core/accounts.ts';
import { decideAdmittance } from '../core/admittance.ts';
import type { ChallengeTerms } from '../core/challenge.ts';
import { accept, refuse } from '../core/decision.ts';
import { inviteBytes } from '../core/invites.ts';
import { todayOf } from '../core/records.ts';
import { registrationPowBits } from '../core/registration-work.ts';
import type { Call } from '../shell/execute.ts';
import { operation } from '../shell/execute.ts';
import type { LinkState } from '../shell/link/link-state.ts';
import { certifyAccount } from '../shell/certify.ts';
import { addressKey } from '../shell/rates.ts';
import { readRecord } from '../shell/records.ts';

/** An OPAQUE password record has 192 bytes; a longer text is none. */
const OPAQUE_TEXT_MAX = 1024;

export const challenge = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, nowMs }: Call<'challenge'>): Promise<ChallengeTerms | undefined> {
    const { registration, registrationPowBits: base, limits } = server.config;
    if (request.login === true)
      return { purpose: 'login', bits: Math.min(limits.loginPowBits, limits.powBitsMax), nowMs };
    if (registration !== 'open') return undefined;
    const counter = (await readRecord(server.store, 'counter', REGISTRATIONS_COUNTER))?.value;
    const load = { today: todayOf(counter, nowMs), opaqueQueued: server.opaque.queued };
    return { purpose: 'registration', bits: registrationPowBits(base, load, limits), nowMs };
  },
  decide: (_call, terms) => accept(terms),
  apply: ({ server }, terms) => ({
    $case: 'challenge',
    value: {
      registration: server.config.registration,
      challenge: terms === undefined ? new Uint8Array(0) : server.work.challenge(terms),
      powBits: terms?.bits ?? 0,
    },
  }),
});

export const registerStart = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, caller, nowMs }: Call<'registerStart'>) {
    const { config, store, work, rates } = server;
    // It tells whether a name is taken, and an invite pays only when it is used: whoever asks for many names has to wait.
    const spent = rates.logins.spend(addressKey(caller.address));
    if (spent.kind === 'refused') throw new SecureChatError('RATE_LIMITED', { retryAfterMs: spent.retryAfterMs });
    const inviteGiven = request.invite !== '';
    const bytes = inviteBytes(request.invite);
    const inviteKey = bytes === undefined ? undefined : toBase64url(sha256(bytes));
    const invite = inviteKey === undefined ? undefined : await readRecord(store, 'invite', inviteKey);
    const needsWork = config.registration === 'open' && !inviteGiven;
    const rate = needsWork ? rates.registrations.spend(addressKey(caller.address), 0) : undefined;
    const workHolds =
      needsWork &&
      work.use({
        challenge: request.challenge,
        nonce: request.powNonce,
        purpose: 'registration',
        nowMs,
      });
    const admittance = decideAdmittance(
      { registration: config.registration, inviteGiven, inviteKey, invite, workHolds },
      nowMs,
    );
    return { admittance, rate, retryAfterMs: rate?.kind === 'refused' ? rate.retryAfterMs : undefined };
  },
  decide: (_call, { admittance }) => admittance,
  async apply({ request, server }, admittance) {
    const username = normaliseUsername(request.username);
    const skeleton = confusableSkeleton(username);
    if (isReservedName(username) || (await nameTaken(server.store, username, skeleton)))
      throw new SecureChatError('NAME_TAKEN');
    const opaque = await server.opaque.createRegistrationAnswer({ userIdentifier: username, request: request.opaque });
    const next: LinkState = { kind: 'registering', username, skeleton, admittance };
    return { kind: 'answer', body: { $case: 'registerStart', value: { opaque } }, next };
  },
});

export const registerFinish = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, caller, nowMs }: Call<'registerFinish'>) {
    const { state } = caller;
    if (state.kind !== 'registering') throw new SecureChatError('NOT_AUTHENTICATED');
    const { username, skeleton, admittance } = state;
    if (request.opaque.length === 0 || request.opaque.length > OPAQUE_TEXT_MAX) throw new SecureChatError('MALFORMED');
    const certified: CertifiedAccount = await certifyAccount(server, request, { username, nowMs });
    const { store } = server;
    const [name, similar, account, invite, today] = await Promise.all([
      readRecord(store, 'name', username),
      readRecord(store, 'skeleton', skeleton),
      readRecord(store, 'account', certified.account),
      admittance.kind === 'invite' ? readRecord(store, 'invite', admittance.key) : undefined,
      admittance.kind === 'work' ? readRecord(store, 'counter', REGISTRATIONS_COUNTER) : undefined,
    ]);
    return {
      wanted: { certified, skeleton, opaque: request.opaque, admittance },
      facts: {
        nameTaken: name !== undefined,
        skeletonTaken: similar !== undefined,
        idTaken: account !== undefined,
        invite,
        today,
      },
    };
  },
  decide({ server, caller, nowMs }, { wanted, facts }) {
    const decision = decideRegister(wanted, facts, server.config.limits, nowMs);
    if (decision.kind === 'refused' || wanted.admittance.kind === 'invite') return decision;
    const spent = server.rates.registrations.spend(addressKey(caller.address));
    return spent.kind === 'spent' ? decision : refuse('RATE_LIMITED', { retryAfterMs: spent.retryAfterMs });
  },
  apply: ({ server }) => {
    server.log.info('account registered');
    return { kind: 'answer', body: { $case: 'done', value: {} }, next: { kind: 'anonymous' } };
  },
});

async function nameTaken(
  store: Parameters<typeof readRecord>[0],
  username: string,
  skeleton: string,
): Promise<boolean> {
  const [name, similar] = await Promise.all([
    readRecord(store, 'name', username),
    readRecord(store, 'skeleton', skeleton),
  ]);
  return name !== undefined || similar !== undefined;
}
