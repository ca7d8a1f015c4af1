/** Login by OPAQUE, bound to the session: an unknown user and a wrong password look alike until the end. */
import { bindLogin } from '@securechat/session';
import { wipe } from '@securechat/crypto';
import { idBytes, normaliseUsername, SecureChatError } from '@securechat/wire';
import { accept } from '../core/decision.ts';
import type { Bind, Call, Reply } from '../shell/execute.ts';
import { failure, operation } from '../shell/execute.ts';
import { addressKey } from '../shell/rates.ts';
import { accountNamed, readRecord } from '../shell/records.ts';

const none = new Uint8Array(0);

export const loginStart = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, caller, nowMs }: Call<'loginStart'>) {
    const username = normalisedOrNot(request.username);
    const spent = server.rates.logins.spend(addressKey(caller.address));
    if (spent.kind === 'refused') throw new SecureChatError('RATE_LIMITED', { retryAfterMs: spent.retryAfterMs });
    const { challenge = none, powNonce: nonce = none } = request;
    const guess = server.rates.guess(username, caller.address, () =>
      server.work.use({ challenge, nonce, purpose: 'login', nowMs }),
    );
    if (guess.kind === 'needs-work') throw new SecureChatError('POW_INVALID');
    if (guess.kind === 'refused') throw new SecureChatError('RATE_LIMITED', { retryAfterMs: guess.retryAfterMs });
    return { username, found: await accountNamed(server.store, username) };
  },
  decide: () => accept(null),
  async apply({ request, server }, _outcome, { username, found }) {
    const { state, answer } = await server.opaque.startLogin({
      userIdentifier: username,
      record: found?.record.opaque,
      request: request.opaque,
    });
    return {
      kind: 'answer',
      body: { $case: 'loginStart', value: { opaque: answer } },
      next: {
        kind: 'logging-in',
        username,
        account: found?.account,
        opaque: state,
        ke1: request.opaque,
        ke2: answer,
      },
    };
  },
});

export const loginFinish = operation({
  when: 'before-attach',
  cost: 1,
  async load({ request, server, caller }: Call<'loginFinish'>) {
    const { state } = caller;
    if (state.kind !== 'logging-in') throw new SecureChatError('NOT_AUTHENTICATED');
    const sessionKey = await server.opaque.finishLogin({ state: state.opaque, request: request.opaque });
    return { state, sessionKey };
  },
  decide: () => accept(null),
  async apply({ request, server, caller }, _outcome, { state, sessionKey }): Promise<Reply> {
    const { account } = state;
    // The client has mixed its keys already: what failed here cannot be told any more, only closed.
    if (sessionKey === undefined || account === undefined) return { kind: 'close' };
    const record = (await readRecord(server.store, 'account', account))?.value;
    if (record === undefined) {
      wipe(sessionKey);
      return { kind: 'close' };
    }
    server.rates.guessed(state.username, caller.address);
    const bindBefore: Bind = (session, nowMs) => {
      bindLogin(session, { sessionKey, ke1: state.ke1, ke2: state.ke2, ke3: request.opaque }, nowMs);
      wipe(sessionKey);
    };
    if (record.disabled)
      return { ...failure(new SecureChatError('ACCOUNT_DISABLED')), bindBefore, next: { kind: 'anonymous' } } as Reply;
    return {
      kind: 'answer',
      bindBefore,
      next: { kind: 'logged-in', account },
      body: {
        $case: 'loginFinish',
        value: {
          account: idBytes(account),
          accountJws: record.accountJws,
          listJws: record.listJws,
          deviceJws: record.devices.map(({ jws }) => jws),
        },
      },
    };
  },
});

/** What can be no name is nobody's: it takes the way of an unknown user. */
function normalisedOrNot(text: string): string {
  try {
    return normaliseUsername(text);
  } catch {
    return `\u0000${text.slice(0, 64)}`;
  }
}
